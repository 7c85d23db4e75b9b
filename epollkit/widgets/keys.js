// Keys belong to what has the focus.
//
// Facts. JupyterLab, Notebook 7 and nbclassic bind single letters and arrows to commands, and see a
// key before a widget does. Some of them listen on the document while the event still goes down,
// so only a listener on the window, in the capture phase, comes first.
//
// What we do about them. While the focus is inside `root`, no key goes on to the notebook, but for
// those with Ctrl, Meta or Alt, for Tab and Escape, and for Shift+Enter. `act(event)` may use a key
// and then returns true. Keys that would scroll the page do nothing, except in a control that
// has a use for them. Of two roots, one in the other, the inner one has its keys to itself.

const SCROLL = new Set([" ", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"]);
const FIELD = "input, select, textarea, [contenteditable=true]";

/** Keep the keys that are pressed inside `root` from the notebook. Returns a function that ends it. */
function guardKeys(root, act = () => false) {
  const listen = (event) => {
    const target = event.target;
    if (!(target instanceof Element) || target.closest("[data-guards-keys]") !== root) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (["Tab", "Escape"].includes(event.key) || (event.key === "Enter" && event.shiftKey)) return;
    event.stopImmediatePropagation();
    const presses = event.key === " " && target.closest("button, summary, a");
    if (act(event) || (SCROLL.has(event.key) && !presses && !target.closest(FIELD))) event.preventDefault();
  };
  root.dataset.guardsKeys = "";
  window.addEventListener("keydown", listen, true);
  return () => window.removeEventListener("keydown", listen, true);
}
