/* A question on the page.
 *
 * The first pick counts.  After a pick the next code cell becomes the active one, as if it had been
 * clicked, so that Shift+Enter asks the kernel.  Pages that are no JupyterLab and no Notebook 7 have
 * no .jp-Cell: nothing happens there.
 * The keys that are pressed in it stay with it: live.js, which stands beside it, sees to that.
 */

function activateNextCodeCell(element) {
  let cell = element.closest(".jp-Cell");
  do cell = cell?.nextElementSibling; while (cell && !cell.matches(".jp-CodeCell"));
  if (!cell) return;
  for (const type of ["mousedown", "mouseup"]) {
    cell.dispatchEvent(new MouseEvent(type, { bubbles: true, cancelable: true, button: 0 }));
  }
  cell.focus();
}

function make(tag, parent, properties = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

function render({ model, el }) {
  const choices = model.get("choices");
  const root = make("fieldset", el, { className: "epollkit-question" });
  make("legend", root, { innerHTML: model.get("question") });
  const form = make("form", root, { className: "choices" });
  const message = make("p", root);
  message.setAttribute("role", "status");

  const label = (pick) =>
    choices.length ? choices[pick] : `${pick.toLocaleString("en")} ${model.get("unit")}`.trim();

  function show() {
    const first = model.get("first");
    for (const [place, button] of [...form.querySelectorAll("[aria-pressed]")].entries()) {
      button.setAttribute("aria-pressed", String(place === first));
    }
    message.innerHTML = first === null
      ? "Your first answer is the one that counts."
      : `You picked: <b>${label(first)}</b>. Now run the next cell (Shift+Enter).`;
  }

  function pick(value) {
    const first = model.get("first");
    if (first === null) {
      model.set("first", value);
      model.save_changes();
    } else if (first !== value) {
      message.innerHTML = `Your first pick counts, and it was: <b>${label(first)}</b>. `
        + "Run the next cell (Shift+Enter) to see what the kernel says.";
    }
    activateNextCodeCell(el);
  }

  function pickNumber(text) {
    const digits = text.replace(/[\s,_]/g, "");
    if (/^[+-]?\d{1,15}$/.test(digits)) pick(Number(digits));
    else message.textContent = `“${text}” is not a whole number. Type digits, for example 4096.`;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    pickNumber(form.querySelector("input").value);
  });
  for (const [place, innerHTML] of choices.entries()) {
    const button = make("button", form, { type: "button", innerHTML });
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => pick(place));
  }
  if (!choices.length) {
    const input = make("input", form, { type: "text", inputMode: "numeric", autocomplete: "off" });
    input.setAttribute("aria-label", `a number, ${model.get("unit")}`);
    make("span", form, { textContent: model.get("unit") });
    make("button", form, { type: "submit", textContent: "OK" });
  }
  model.on("change:first", show);
  show();
  return () => model.off("change:first", show);
}

export default { render };
