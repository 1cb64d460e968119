// Chapter 09: one conversation, one voice, one seed, three users. Above: whom the avatar sees, and what it does. Below:
// both smiles over time, with the spans in which an answer to its own user would show. Films are sprites.

const NS = "http://www.w3.org/2000/svg", FACES = 8;
const SEEN = { own: "#d9722e", stranger: "#b565a7", nobody: "#8a8f98" }, DOES = "#3b8fd4", PERSON = "#2f9e76";
const PHRASE = { own: "its own user", stranger: "a stranger", nobody: "a still, silent face" };

function make(kind, style, parent, text) {
  const node = document.createElement(kind);
  node.style.cssText = style;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function shape(parent, kind, attributes, text) {
  const node = document.createElementNS(NS, kind);
  Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function sprite(source) {
  const image = new Image();
  image.src = source;
  return image;
}

export function render({ model, el }) {
  const views = model.get("views"), users = model.get("users"), starts = model.get("starts"), after = model.get("after");
  const seconds = model.get("seconds"), edge = model.get("edge"), fps = model.get("fps");
  const frames = Math.max(1, Math.floor(seconds * fps)), films = new Map();
  [...views, ...Object.values(users)].forEach((track) => films.set(track, sprite(track.film)));
  let view = views[0], frame = 0, timer = null;
  if (starts.length) frame = Math.min(frames - 1, Math.round((starts[0] + 1.2) * fps));

  const root = make("div", "font:13px/1.4 system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit);max-width:760px", el);
  const choice = make("fieldset", "border:0;padding:0;margin:0 0 10px;display:flex;flex-wrap:wrap;gap:6px", root);
  make("legend", "padding:0;margin-bottom:4px;font-weight:600", choice, "Same voice, same seed. Whom does the avatar see?");
  const group = `whom-${Math.round(performance.now() * 1000)}`;
  const pills = views.map((one) => {
    const pill = make("label", "display:flex;align-items:center;gap:6px;padding:4px 12px;border-radius:14px;cursor:pointer", choice);
    const input = make("input", "margin:0", pill);
    Object.assign(input, { type: "radio", name: group, checked: one === view });
    input.addEventListener("change", () => { view = one; draw(); });
    pill.append(one.label);
    return { one, pill };
  });

  const stage = make("div", "display:flex;flex-wrap:wrap;gap:14px 22px;align-items:center;margin-bottom:8px", root);
  const pair = make("div", "display:flex;gap:10px", stage);
  const screens = ["sees", "does"].map((name) => {
    const box = make("figure", "margin:0;width:116px", pair);
    const canvas = make("canvas", "width:116px;height:116px;border-radius:10px;background:#8882;display:block", box);
    canvas.width = canvas.height = edge;
    canvas.setAttribute("role", "img");
    const caption = make("figcaption", "font-size:11px;text-align:center;margin-top:2px", box);
    return { name, canvas, caption };
  });
  const scores = make("div", "flex:1;min-width:270px", stage);

  const strips = ["sees", "does"].map((name) => {
    const title = make("div", "font-size:11px;margin-top:4px", root);
    const row = make("div", `display:grid;grid-template-columns:repeat(${FACES},1fr);gap:2px`, root);
    row.setAttribute("role", "img");
    const cells = Array.from({ length: FACES }, () => {
      const cell = make("canvas", "width:100%;aspect-ratio:1;border-radius:5px;background:#8882;display:block", row);
      cell.width = cell.height = edge;
      return cell;
    });
    return { name, title, row, cells };
  });
  const plot = shape(root, "svg", { role: "img", width: "100%", height: 196, style: "display:block;margin-top:6px;overflow:hidden" });
  const transport = make("div", "display:flex;gap:10px;align-items:center", root);
  const play = make("button", "padding:3px 14px;min-width:64px;border-radius:6px;border:1px solid var(--jp-border-color1,#8886);background:none;color:inherit;cursor:pointer", transport);
  const time = make("input", `flex:1;min-width:0;accent-color:${DOES}`, transport);
  Object.assign(time, { type: "range", min: 0, max: frames - 1, step: 1 });
  time.setAttribute("aria-label", "moment of the conversation");
  const note = make("p", "margin:8px 0 0", root);
  note.setAttribute("aria-live", "polite");

  const tracks = () => ({ sees: users[view.sees], does: view });
  const words = () => ({ sees: `sees ${PHRASE[view.sees]}`, does: view === views[3] ? "the person did" : "the avatar does" });
  function blit(canvas, track, k) {
    const film = films.get(track);
    if (!film.complete || !film.naturalWidth) return;
    const last = film.naturalWidth / edge - 1;
    canvas.getContext("2d").drawImage(film, Math.min(k, last) * edge, 0, edge, edge, 0, 0, edge, edge);
  }

  function drawScores() {
    scores.replaceChildren();
    make("div", "font-size:11px;margin-bottom:2px", scores,
      `how much it smiles more after its own user smiled (all ${model.get("smiles")} smiles, ${model.get("conversations")} conversations)`);
    const least = Math.min(-0.05, ...views.map((one) => one.rise[0])), most = Math.max(0.1, ...views.map((one) => one.rise[2]));
    const at = (value) => `${(100 * (value - least)) / (most - least)}%`;
    views.forEach((one) => {
      const on = one === view, row = make("div", `display:grid;grid-template-columns:112px 1fr 46px;gap:8px;align-items:center;height:21px;font-weight:${on ? 700 : 400};opacity:${on ? 1 : 0.65}`, scores);
      make("span", "", row, one.label);
      const lane = make("div", "position:relative;height:14px", row), colour = one === views[3] ? PERSON : DOES;
      make("div", `position:absolute;left:${at(0)};top:-4px;bottom:-4px;width:1px;background:currentColor;opacity:.45`, lane);
      make("div", `position:absolute;left:${at(one.rise[0])};right:calc(100% - ${at(one.rise[2])});top:6px;height:3px;border-radius:2px;background:${colour}`, lane);
      make("div", `position:absolute;left:calc(${at(one.rise[1])} - 4px);top:3px;width:8px;height:8px;border-radius:50%;background:${colour}`, lane);
      make("span", "text-align:right;font-variant-numeric:tabular-nums", row, `${one.rise[1] < 0 ? "−" : "+"}${Math.abs(one.rise[1]).toFixed(2)}`);
    });
  }

  function drawPlot() {
    const width = Math.max(240, plot.getBoundingClientRect().width || 720), x = (t) => (t / seconds) * width;
    plot.replaceChildren();
    plot.setAttribute("viewBox", `0 0 ${width} 196`);
    plot.setAttribute("aria-label", `smiles over ${seconds} seconds: the user's, and the avatar's when it sees ${PHRASE[view.sees]}`);
    starts.forEach((start) => {
      shape(plot, "rect", { x: x(start + after[0]), y: 4, width: x(after[1] - after[0]), height: 172, fill: SEEN.own, opacity: 0.13 });
      shape(plot, "line", { x1: x(start), x2: x(start), y1: 4, y2: 176, stroke: SEEN.own, "stroke-dasharray": "3 3" });
    });
    const lane = (values, base, tall) => values.map((value, i) => `${x((i + 0.5) / 25).toFixed(1)},${(base - tall * Math.max(0, Math.min(1, value))).toFixed(1)}`);
    const line = (values, base, colour, more) => shape(plot, "polyline", { points: lane(values, base, 62).join(" "), fill: "none", stroke: colour, "stroke-width": 2, ...more });
    [84, 176].forEach((base) => shape(plot, "line", { x1: 0, x2: width, y1: base, y2: base, stroke: "currentColor", opacity: 0.4 }));
    shape(plot, "polygon", { points: `0,84 ${lane(users.own.smile, 84, 62).join(" ")} ${width},84`, fill: SEEN.own, opacity: view.sees === "own" ? 0.75 : 0.2 });
    if (view.sees === "stranger") shape(plot, "polygon", { points: `0,84 ${lane(users.stranger.smile, 84, 62).join(" ")} ${width},84`, fill: SEEN.stranger, opacity: 0.75 });
    views.filter((one) => one !== view).forEach((one) => line(one.smile, 176, one === views[3] ? PERSON : DOES, { opacity: 0.25, "stroke-width": 1.5 }));
    line(view.smile, 176, view === views[3] ? PERSON : DOES, { "stroke-width": 2.8 });
    const say = (text, y, colour) => shape(plot, "text", { x: 4, y, "font-size": 11, fill: colour }, text);
    const seen = { own: "own user smiles", stranger: "stranger smiles (pale: own user, not seen)", nobody: "(pale: own user smiles, not seen)" };
    say(seen[view.sees], 14, view.sees === "nobody" ? "currentColor" : SEEN[view.sees]);
    say(view === views[3] ? "the person smiles" : "the avatar smiles (pale: the other choices)", 106, view === views[3] ? PERSON : DOES);
    for (let t = 0; t < seconds - 0.5; t += 2) shape(plot, "text", { x: x(t) + (t ? -8 : 1), y: 191, "font-size": 11, fill: "currentColor" }, `${t} s`);
    shape(plot, "line", { class: "now", x1: x((frame + 0.5) / fps), x2: x((frame + 0.5) / fps), y1: 4, y2: 176, stroke: "currentColor", "stroke-width": 1.5 });
  }

  function drawNow() {
    screens.forEach((screen) => blit(screen.canvas, tracks()[screen.name], frame));
    const now = plot.querySelector(".now"), width = plot.viewBox.baseVal ? plot.viewBox.baseVal.width : 720;
    if (now) ["x1", "x2"].forEach((side) => now.setAttribute(side, ((frame + 0.5) / fps / seconds) * width));
    time.value = frame;
    time.setAttribute("aria-valuetext", `${(frame / fps).toFixed(1)} seconds`);
  }

  function draw() {
    pills.forEach(({ one, pill }) => { pill.style.border = one === view ? `2px solid ${one === views[3] ? PERSON : DOES}` : "2px solid var(--jp-border-color2,#8884)"; });
    screens.forEach((screen) => {
      screen.caption.textContent = words()[screen.name];
      screen.canvas.setAttribute("aria-label", `film: ${words()[screen.name]}`);
    });
    strips.forEach((strip) => {
      strip.title.textContent = words()[strip.name];
      strip.row.setAttribute("aria-label", `eight faces over ${seconds} seconds: ${words()[strip.name]}`);
      strip.cells.forEach((cell, k) => blit(cell, tracks()[strip.name], Math.floor(((k + 0.5) / FACES) * frames)));
    });
    const c = model.get("contingency");
    note.textContent = `Own user minus stranger: ${c[1].toFixed(2)} (95 % interval ${c[0].toFixed(2)} to ${c[2].toFixed(2)}). That difference is the contingency.`;
    drawScores();
    drawPlot();
    drawNow();
  }

  function run(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => { frame = (frame + 1) % frames; drawNow(); }, 1000 / fps) : null;
    play.textContent = on ? "pause" : "play";
  }
  play.addEventListener("click", () => run(timer === null));
  time.addEventListener("input", () => { run(false); frame = Number(time.value); drawNow(); });
  films.forEach((film) => film.addEventListener("load", draw));
  const watch = new ResizeObserver(() => { drawPlot(); drawNow(); });
  watch.observe(root);
  draw();
  run(false);
  return () => { run(false); watch.disconnect(); };
}
export default { render };
