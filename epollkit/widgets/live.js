// What stands beside the live controls of an explorable: it keeps their keys from the notebook, and
// says at once when Python takes its time. The facts are in live.py; `keys.js` stands before this.

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -Infinity, End: Infinity };
const CONTROLS = "button, select, input, summary";
const LINES = /^(Arrow(Up|Down)|Page(Up|Down))$/;  // keys that a field of one line has no use for
const SOON_MS = 50;
const BUSY = "Python is busy. This will be done when it is free.";

const controlsIn = (root) => [...root.querySelectorAll(CONTROLS)].filter(
  (control) => !control.disabled && control.offsetParent !== null);
const isField = (element) => element.matches("select, textarea, input:not([type=checkbox], [type=radio])");

// Arrows go from one control to the next, except in a field or a list, which uses them itself.
function useKey(event, root) {
  if (isField(event.target)) return event.target.matches("input") && LINES.test(event.key);
  const step = STEPS[event.key], all = controlsIn(root);
  if (!step || !all.length || event.target.type === "radio") return false;
  const place = all.indexOf(event.target) + step;
  all[Math.min(Math.max(place, 0), all.length - 1)].focus({ preventScroll: true });
  return true;
}

function watch(model, el, root) {
  let pings = 0, pongs = 0, timer = 0, last = null;
  const sent = new WeakMap();  // control → the ping after it was last used
  const words = () => model.get("doing") || (pongs < pings ? BUSY : "");
  const show = () => {
    timer = 0;
    el.textContent = words();
    root.classList.toggle("epollkit-waits", words() !== "");
  };

  // Nothing is shown of what is done within SOON_MS.
  const look = () => {
    if (words() && !el.textContent) timer ||= setTimeout(show, SOON_MS);
    else {
      clearTimeout(timer);
      show();
      if (!words()) keepFocus();
    }
  };

  // A control that was disabled or replaced while it had the focus leaves it to nobody.
  const keepFocus = () => {
    const active = document.activeElement;
    const isLost = last && (last.disabled || !last.isConnected) && (active === document.body || active === last);
    if (isLost) (controlsIn(root)[0] || root).focus({ preventScroll: true });
  };

  const onUse = (event) => {
    const control = event.target.closest(CONTROLS);
    if (!control || control.closest("[data-guards-keys]") !== root) return;
    if (event.type === "click" && sent.get(control) > pongs && root.classList.contains("epollkit-waits")) {
      event.stopImmediatePropagation();  // once is enough: the page says that this waits
      return;
    }
    last = control;
    if (control.matches("button")) control.focus({ preventScroll: true });
    setTimeout(() => {  // after the control's own message
      pings += 1;
      sent.set(control, pings);
      model.send({ ping: pings });
      look();
    });
  };
  const onPong = (content) => {
    pongs = Math.max(pongs, content.pong);
    look();
  };

  root.tabIndex = -1;  // a click beside the controls leaves the focus in here
  const release = guardKeys(root, (event) => useKey(event, root));
  root.addEventListener("click", onUse, true);
  root.addEventListener("change", onUse, true);
  model.on("msg:custom", onPong);
  model.on("change:doing", look);
  look();
  return () => {
    clearTimeout(timer);
    release();
    root.removeEventListener("click", onUse, true);
    root.removeEventListener("change", onUse, true);
    model.off("msg:custom", onPong);
    model.off("change:doing", look);
  };
}

export default {
  render({ model, el }) {
    el.classList.add("epollkit-busy");
    el.setAttribute("role", "status");
    let end = () => {};
    const begin = () => {
      const root = el.closest(".epollkit-explore");
      if (root) end = watch(model, el, root);
      return root !== null;
    };
    // a widget is rendered before it is put into the page
    if (!begin()) {
      const frame = () => begin() || (pending = requestAnimationFrame(frame));
      let pending = requestAnimationFrame(frame);
      end = () => cancelAnimationFrame(pending);
    }
    return () => end();
  },
};
