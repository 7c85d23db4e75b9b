// The player: a recording, step by step. `keys.js` stands before this text.
//
// Facts. A notebook may render a widget while it is off the screen, where everything has the height
// 0. A key that is held down comes thirty times a second. A disabled button loses the focus.
//
// What we do about them. Everything is here from the start: the picture, and a table of what is said
// at each stop. A step moves a cursor, lights a line and changes some text; nothing is drawn anew
// and nobody is asked. Nothing is measured before the page shows it. Buttons that lead nowhere stay
// focusable and say that they are disabled.

const SPEEDS = [0.5, 1, 2, 4, 8, 16];
const ICONS = {
  first: "M3 3h2v10H3zM13 3v10L6 8z",
  previous: "M11.5 3v10L4.5 8z",
  next: "M4.5 3v10l7-5z",
  last: "M11 3h2v10h-2zM3 3v10l7-5z",
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  slower: "M3 7h10v2H3z",
  faster: "M3 7h10v2H3zM7 3h2v10H7z",
};
const PARTS = ["interest", "levels", "poll", "threads"];

/** Make an element; `rest` holds attributes, and children as text or elements. */
function make(tag, kind, attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  svg.firstChild.setAttribute("d", ICONS[name]);
  return svg;
}

function button(name, words, label = "") {
  return make("button", "epp-button", { type: "button", "aria-label": words, title: words }, icon(name), label);
}

/** Spell a time in microseconds in the unit that suits it. */
function spelled(us) {
  if (us >= 1e6) return `${(us / 1e6).toFixed(6)} s`;
  return us >= 1000 ? `${(us / 1000).toFixed(3)} ms` : `${us} µs`;
}

function render({ model, el }) {
  const table = model.get("table");
  const last = table.stops - 1;
  let stop = -1;
  let speed = SPEEDS.indexOf(2);
  let timer = null;

  /** What the table says of a stop, in the column `name`. */
  const said = (name, at) => {
    const { values, at: indices } = table.columns[name];
    return indices ? values[indices[at]] : values[Math.min(at, values.length - 1)];
  };

  // ---- what stands on the page

  const [firstLeft, stopWidth, lanesTop] = table.cursor;
  const cursor = make("i", "epp-cursor");
  cursor.style.cssText = `top: ${lanesTop}%; width: ${stopWidth}%`;
  const image = make("img", "", { alt: model.get("story"), src: model.get("picture"), draggable: "false" });
  const picture = make("div", "epp-picture", {}, image, cursor);
  const bars = table.bars.map(([left, top, width, height, to, count]) => {
    const bar = make("button", "epp-bar", { type: "button", tabindex: "-1" });
    bar.style.cssText = `left: ${left}%; top: ${top}%; width: ${width}%; height: ${height}%`;
    bar.setAttribute("aria-label", details(to, count).join(", "));
    bar.onclick = () => { pause(); go(to); };
    bar.onpointerenter = bar.onfocus = () => showTip(bar, details(to, count));
    bar.onpointerleave = bar.onblur = hideTip;
    return bar;
  });
  picture.append(...bars);

  const slider = make("input", "epp-slider", { type: "range", min: "0", max: String(last), step: "1", "aria-label": "step" });
  const track = make("div", "epp-track", {}, slider);
  track.style.cssText = `--epp-left: ${firstLeft}%; --epp-stop: ${stopWidth}%; --epp-width: ${stopWidth * table.stops}%`;
  const box = make("div", "epp-box", {}, make("div", "epp-wide", {}, picture, track));

  const buttons = {
    first: button("first", "first step"),
    previous: button("previous", "previous step"),
    next: button("next", "next step"),
    last: button("last", "last step"),
    play: button("play", "play", "Play"),
    slower: button("slower", "slower"),
    faster: button("faster", "faster"),
  };
  const pace = make("span", "epp-pace");
  const where = make("span", "");
  const heard = make("span", "epp-heard");
  const status = make("div", "epp-status", { role: "status" }, where, heard);
  const controls = make("div", "epp-controls", {},
    make("span", "epp-group", {}, buttons.first, buttons.previous, buttons.next, buttons.last),
    buttons.play,
    make("span", "epp-group", {}, buttons.slower, pace, buttons.faster),
    status,
    make("span", "epp-hint", { "aria-hidden": "true" }, "← → step, Space plays"));

  const codeTitle = make("div", "epp-title");
  const code = make("div", "epp-code", { tabindex: "0", role: "region", "aria-label": "your code" });
  const kernel = make("div", "epp-rows", { tabindex: "0", role: "region", "aria-label": "Linux, after this step" });
  const sides = make("div", "epp-sides", {},
    make("section", "epp-panel", {}, codeTitle, code),
    make("section", "epp-panel", {}, make("div", "epp-title", {}, "Linux, after this step"), kernel));
  const findings = make("ul", "epp-findings", { "aria-label": "what looks like a mistake" }, ...table.findings.map(([text, step]) => {
    const finding = make("button", "epp-finding", { type: "button" }, text);
    finding.onclick = () => { pause(); go(stopOf(step)); };
    return make("li", "", {}, finding);
  }));
  findings.hidden = !table.findings.length;
  const tip = make("div", "epp-tip", { "aria-hidden": "true" });
  tip.hidden = true;

  const root = make("div", "epollkit-player", {
    tabindex: "0", role: "group",
    "aria-label": "Step through the recording: arrow keys step, Home and End lead to the ends, Space plays",
  }, box, controls, findings, sides, tip);
  root.style.setProperty("--epp-aspect", String(table.aspect));
  el.append(root);

  // ---- the code

  const sources = table.sources.map((lines) => make("pre", "", {}, ...lines.map((text, at) => {
    const indent = text.length - text.trimStart().length;
    const line = make("span", "epp-line", {}, make("b", "", {}, String(at + 1)), make("span", "", {}, text || " "));
    line.style.setProperty("--epp-indent", `${Math.min(indent + 2, 14)}ch`);
    return line;
  })));
  let shownSource = null;
  let lit = null;

  function showLine([source, number, isOwn]) {
    if (lit) { lit.classList.remove("epp-lit"); lit.removeAttribute("aria-current"); }
    lit = null;
    const shown = sources[source];
    if (source !== shownSource) {
      shownSource = source;
      const missing = "The text of this code did not come with the recording.";
      code.replaceChildren(shown && shown.children.length ? shown : make("p", "", {}, missing));
    }
    const name = source < 0 ? "" : ` · ${table.names[source]}`;
    const title = `Your code${name}${isOwn ? "" : " · here a library makes the call"}`;
    if (codeTitle.textContent !== title) codeTitle.textContent = title;
    const near = shown && shown.children[number - 1];
    if (near && isOwn) {
      lit = near;
      lit.classList.add("epp-lit");
      lit.setAttribute("aria-current", "step");
    }
    nearLine = near;
  }
  let nearLine = null;

  // ---- what Linux holds

  const shownRows = {};
  const holders = {};
  for (const name of ["happened", ...PARTS]) kernel.append((holders[name] = make("dl", `epp-${name}`)));

  function showRows(name, rows) {
    if (shownRows[name] === rows) return;
    shownRows[name] = rows;
    let heading = null;
    const cells = rows.flatMap(([title, ...texts]) => {
      const isNew = title !== heading;
      heading = title;
      const spans = texts.flatMap((text) => [make("span", "", {}, text), " "]);
      return [make("dt", isNew ? "" : "epp-again", {}, title), make("dd", "", {}, ...spans)];
    });
    holders[name].replaceChildren(...cells);
  }

  // ---- going to a stop

  function go(to) {
    to = Math.max(0, Math.min(last, to));
    if (to === stop) return;
    const hadBar = bars.includes(document.activeElement);
    const before = bars[said("bar", Math.max(stop, 0))];
    stop = to;
    cursor.style.left = `${firstLeft + stop * stopWidth}%`;
    slider.value = stop;
    const step = said("step", stop);
    const [thread] = said("call", stop);
    const words = [`step ${step.toLocaleString("en")} of ${table.count.toLocaleString("en")}`, spelled(said("us", stop))];
    where.textContent = [...words, ...(thread ? [thread] : [])].join(" · ");
    heard.textContent = ` : ${said("happened", stop)}`;
    slider.setAttribute("aria-valuetext", words[0]);
    showLine(said("line", stop));
    showRows("happened", happened(said("happened", stop)));
    for (const name of PARTS) showRows(name, said(name, stop));
    grey("first", stop === 0);
    grey("previous", stop === 0);
    grey("next", stop === last);
    grey("last", stop === last);
    grey("play", last === 0);
    const bar = bars[said("bar", stop)];
    if (before) before.tabIndex = -1;
    if (bar) {
      bar.tabIndex = 0; // Tab leads to the bar of this step, and there the arrows lead to the next one
      if (hadBar && bar !== document.activeElement) bar.focus({ preventScroll: true });
    }
    keepInSight();
  }

  /** Find the stop of a step, counted from 0; of several in a fold, the first after it. */
  function stopOf(step) {
    let at = 0;
    while (at < last && said("step", at) - 1 < step) at += 1;
    return at;
  }

  const happenings = new Map(); // the same rows for the same words, so that they are known again
  function happened(words) {
    if (!happenings.has(words)) happenings.set(words, [["this step", words]]);
    return happenings.get(words);
  }

  function grey(name, isGrey) {
    buttons[name].setAttribute("aria-disabled", String(isGrey));
  }

  /** Scroll the boxes of the player, and never the page. */
  function keepInSight() {
    if (box.scrollWidth > box.clientWidth) {
      const left = ((firstLeft + stop * stopWidth) / 100) * box.scrollWidth;
      const room = Math.min(80, box.clientWidth / 4);
      if (left - room < box.scrollLeft || left + room > box.scrollLeft + box.clientWidth) {
        box.scrollLeft = left - box.clientWidth / 2;
      }
    }
    const bar = table.bars[said("bar", stop)];
    if (bar && box.scrollHeight > box.clientHeight) {
      const top = (bar[1] / 100) * picture.offsetHeight;
      const bottom = top + (bar[3] / 100) * picture.offsetHeight;
      if (top < box.scrollTop) box.scrollTop = top - 8;
      const edge = box.clientHeight - track.offsetHeight;
      if (bottom > box.scrollTop + edge) box.scrollTop = bottom - edge + 8;
    }
    if (nearLine && code.clientHeight) {
      const top = nearLine.offsetTop - code.offsetTop;
      code.scrollTop = top - (code.clientHeight - nearLine.offsetHeight) / 2;
    }
  }

  // ---- playing

  function play() {
    if (stop === last) go(0);
    timer = setInterval(() => {
      go(stop + 1);
      if (stop === last || !root.isConnected) pause();
    }, 1000 / SPEEDS[speed]);
    showPlaying();
  }

  function pause() {
    if (timer === null) return;
    clearInterval(timer);
    timer = null;
    showPlaying();
  }

  function toggle() {
    if (timer === null) play();
    else pause();
  }

  function showPlaying() {
    const [name, word] = timer === null ? ["play", "Play"] : ["pause", "Pause"];
    buttons.play.replaceChildren(icon(name), word);
    buttons.play.setAttribute("aria-label", word.toLowerCase());
    buttons.play.title = word.toLowerCase();
    status.setAttribute("aria-live", timer === null ? "polite" : "off"); // nobody can listen as fast
  }

  function setSpeed(to) {
    speed = Math.max(0, Math.min(SPEEDS.length - 1, to));
    const many = SPEEDS[speed];
    pace.textContent = `${many === 0.5 ? "½" : many} step${many > 1 ? "s" : ""} a second`;
    grey("slower", speed === 0);
    grey("faster", speed === SPEEDS.length - 1);
    if (timer !== null) {
      clearInterval(timer);
      play();
    }
  }

  // ---- the details of a call

  function details(at, count) {
    const [thread, call, stream, bytes] = said("call", at);
    const [source, number, isOwn] = said("line", at);
    const line = isOwn && source >= 0 ? `line ${number}: ${table.sources[source][number - 1]?.trim() ?? ""}` : "";
    const many = count > 1 ? `the first of ${count.toLocaleString("en")} calls that are alike` : "";
    return [call, [thread, stream, bytes, said("took", at)].filter(Boolean).join(" · "), line, many].filter(Boolean);
  }

  function showTip(anchor, lines) {
    const at = anchor.getBoundingClientRect();
    placeTip(at.left + at.width / 2, at.top, at.bottom, lines);
  }

  function placeTip(x, top, bottom, lines) {
    tip.replaceChildren(...lines.map((text, at) => make(at ? "div" : "b", "", {}, text)));
    tip.hidden = false;
    const around = root.getBoundingClientRect();
    const width = tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(around.width - width, x - around.left - width / 2))}px`;
    tip.style.top = `${bottom - around.top + 6}px`;
  }

  function hideTip() {
    tip.hidden = true;
  }

  /** Return the stop under a point of the picture, or null beside the lanes. */
  function stopUnder(event) {
    const at = picture.getBoundingClientRect();
    const across = ((event.clientX - at.left) / at.width) * 100;
    const under = Math.floor((across - firstLeft) / stopWidth);
    const isOn = under >= 0 && under <= last && (event.clientY - at.top) / at.height > lanesTop / 100;
    return isOn ? under : null;
  }

  // ---- what a hand does

  const actions = {
    first: () => go(0),
    previous: () => go(stop - 1),
    next: () => go(stop + 1),
    last: () => go(last),
  };
  for (const [name, act] of Object.entries(actions)) buttons[name].onclick = () => { pause(); act(); };
  buttons.play.onclick = toggle;
  buttons.slower.onclick = () => setSpeed(speed - 1);
  buttons.faster.onclick = () => setSpeed(speed + 1);
  slider.oninput = () => { pause(); go(Number(slider.value)); };
  picture.onclick = (event) => {
    const under = bars.includes(event.target) ? null : stopUnder(event);
    if (under !== null) { pause(); go(under); }
  };
  picture.onpointermove = (event) => { // with too many calls for bars, each column tells of its own
    if (bars.length) return;
    const under = stopUnder(event);
    if (under === null) hideTip();
    else placeTip(event.clientX, event.clientY, event.clientY + 12, details(under, 1));
  };
  picture.onpointerleave = hideTip;
  box.onscroll = hideTip;
  // After a click the keys act on the player; a click that a key made leaves the focus where it is.
  root.addEventListener("click", (event) => {
    if (event.detail > 0 && !getSelection().toString()) root.focus({ preventScroll: true });
  });

  const KEYS = {
    ArrowLeft: () => go(stop - 1),
    ArrowRight: () => go(stop + 1),
    ArrowUp: () => go(stop - 1),
    ArrowDown: () => go(stop + 1),
    PageUp: () => go(stop - 10),
    PageDown: () => go(stop + 10),
    Home: () => go(0),
    End: () => go(last),
  };
  const release = guardKeys(root, (event) => {
    hideTip();
    const isButton = event.target.closest("button") !== null;
    if (event.key === " " && !isButton) toggle();
    if (!(event.key in KEYS)) return event.key === " " && !isButton;
    pause();
    KEYS[event.key]();
    return true;
  });

  // The boxes scroll to where they should be as soon as they have a size.
  const resized = new ResizeObserver(() => keepInSight());
  resized.observe(root);

  setSpeed(speed);
  showPlaying();
  go(0);
  return () => {
    pause();
    release();
    resized.disconnect();
  };
}

export default { render };
