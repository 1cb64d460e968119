// Chapter 08: beta and steps. Left: the gaps of held-out frames, under the slope of the loss, which is what a frame still
// teaches at its gap. Right: what is watched while training runs, every beta, the chosen one bold.

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"];
const CHARTS = [
  { name: "margin", title: "margin, e-3", wish: "up" },
  { name: "accuracy", title: "accuracy, %", wish: "up" },
  { name: "winner_change", title: "winner's error, e-3", wish: "not above 0" },
  { name: "saturated", title: "saturated, %", wish: "below 15" },
];

function make(tag, css, text) {
  const node = document.createElement(tag);
  node.style.cssText = css ?? "";
  if (text !== undefined) node.textContent = text;
  return node;
}

export function render({ model, el }) {
  const steps = model.get("steps"), betas = model.get("betas"), watched = model.get("watched");
  const gaps = model.get("gaps"), edge = model.get("edge");
  let chosen = Math.min(1, betas.length - 1), at = steps.length - 1;

  const root = make("div", "max-width:720px;font:13px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit)");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Explore beta and steps");
  const bar = make("div", "display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin-bottom:8px");
  const buttons = betas.map((beta, index) => {
    const one = make("button", `padding:4px 12px;border-radius:8px;border:2px solid ${COLOURS[index % 4]};background:none;color:inherit;cursor:pointer;font:inherit`, beta ? `β ${beta}` : "control");
    one.addEventListener("click", () => { chosen = index; show(); });
    bar.append(one);
    return one;
  });
  const slider = make("input", "flex:1;min-width:120px"), label = make("span", "min-width:5em");
  Object.assign(slider, { type: "range", min: 0, max: steps.length - 1, value: at });
  slider.setAttribute("aria-label", "training step");
  slider.addEventListener("input", () => { at = Number(slider.value); show(); });
  bar.append(slider, label);
  const body = make("div", "display:flex;flex-wrap:wrap;gap:14px");
  const wide = make("canvas", "flex:1 1 260px;min-width:0;height:230px;width:100%"), grid = make("div", "flex:1 1 300px;min-width:0;display:grid;grid-template-columns:1fr 1fr;gap:8px");
  const charts = CHARTS.map((chart) => {
    const canvas = make("canvas", "width:100%;min-width:0;height:111px;display:block");
    canvas.setAttribute("role", "img");
    grid.append(canvas);
    return { ...chart, canvas };
  });
  wide.setAttribute("role", "img");
  body.append(wide, grid);
  const note = make("p", "margin:8px 0 0");
  note.setAttribute("aria-live", "polite");
  root.append(bar, body, note);
  el.append(root);

  function sized(canvas) {
    const width = canvas.clientWidth || 300, height = canvas.clientHeight || 110, dense = window.devicePixelRatio || 1;
    canvas.width = width * dense;
    canvas.height = height * dense;
    const c = canvas.getContext("2d");
    c.scale(dense, dense);
    c.font = "11px system-ui,sans-serif";
    c.fillStyle = c.strokeStyle = getComputedStyle(root).color;
    return { c, width, height };
  }
  function paintGaps() {
    const { c, width, height } = sized(wide), counts = gaps[chosen][at], most = Math.max(...counts), beta = betas[chosen];
    const total = counts.reduce((a, b) => a + b, 0), bottom = height - 34, top = 34, x = (gap) => 6 + ((gap + edge) / (2 * edge)) * (width - 12);
    const each = (2 * edge) / counts.length;
    counts.forEach((count, i) => {
      const from = x(-edge + i * each), tall = ((bottom - top) * count) / most;
      c.globalAlpha = 0.55;
      c.fillStyle = COLOURS[chosen % 4];
      c.fillRect(from + 0.5, bottom - tall, x(-edge + (i + 1) * each) - from - 1, tall);
    });
    c.globalAlpha = 1;
    c.fillStyle = c.strokeStyle = getComputedStyle(root).color;
    c.lineWidth = 2;
    c.beginPath();
    for (let i = 0; i <= 200; i += 1) {
      const gap = -edge + (2 * edge * i) / 200;
      c.lineTo(x(gap), bottom - (bottom - top) / (1 + Math.exp(-beta * gap)));
    }
    if (beta) c.stroke();
    c.fillText(beta ? "curve: slope of the loss, what a frame still teaches" : "no preference, so no curve: plain fine-tuning", 6, 12);
    c.fillText(`bars: ${total} held-out frames`, 6, 26);
    c.fillText("winner gained ←", 6, height - 18);
    c.textAlign = "right";
    c.fillText("→ loser gained", width - 6, height - 18);
    c.textAlign = "center";
    c.fillText("0", x(0), height - 18);
    c.fillText("gap D(winner) − D(loser)", width / 2, height - 4);
    wide.setAttribute("aria-label", `histogram of gaps at beta ${beta}, step ${steps[at]}`);
  }
  function paintChart({ name, title, wish, canvas }) {
    const { c, width, height } = sized(canvas), every = watched.flatMap((rows) => rows.map((row) => row[name]));
    const low = Math.min(0, ...every), high = Math.max(name === "saturated" ? 20 : 0.001, ...every);
    const x = (i) => 4 + (i / Math.max(1, steps.length - 1)) * (width - 12), y = (v) => height - 8 - ((v - low) / (high - low)) * (height - 48);
    c.fillText(title, 4, 11);
    c.globalAlpha = 0.7;
    c.fillText(`wish: ${wish}; here ${watched[chosen][at][name].toFixed(1)}`, 4, 25);
    c.globalAlpha = 0.35;
    c.setLineDash(name === "saturated" ? [3, 3] : []);
    const line = y(name === "saturated" ? 15 : 0);
    c.beginPath();
    c.moveTo(4, line);
    c.lineTo(width - 4, line);
    c.stroke();
    c.setLineDash([]);
    watched.forEach((rows, index) => {
      c.globalAlpha = index === chosen ? 1 : 0.4;
      c.lineWidth = index === chosen ? 3 : 1.3;
      c.strokeStyle = c.fillStyle = COLOURS[index % 4];
      c.beginPath();
      rows.forEach((row, i) => c.lineTo(x(i), y(row[name])));
      c.stroke();
      if (index === chosen) {
        c.beginPath();
        c.arc(x(at), y(rows[at][name]), 4.5, 0, 7);
        c.fill();
      }
    });
    c.globalAlpha = 1;
    canvas.setAttribute("aria-label", `${title}: ${watched[chosen][at][name]} at beta ${betas[chosen]}, step ${steps[at]}`);
  }
  function show() {
    buttons.forEach((one, index) => {
      one.style.fontWeight = index === chosen ? 700 : 400;
      one.style.background = index === chosen ? `${COLOURS[index % 4]}33` : "none";
      one.setAttribute("aria-pressed", String(index === chosen));
    });
    label.textContent = `step ${steps[at]}`;
    const row = watched[chosen][at];
    note.textContent = at === 0 ? "Step 0: the policy is its reference. No gap, no margin, loss log 2."
      : betas[chosen] === 0 ? `Control, step ${steps[at]}: ${row.margin.toFixed(1)}e-3 of margin came without any preference.`
      : `β ${betas[chosen]}, step ${steps[at]}: ${row.accuracy.toFixed(0)} % of the frames on the right side, ${row.saturated.toFixed(0)} % at a flat end, `
        + `the winner's error has ${row.winner_change > 0 ? "risen: part of the margin was won by spoiling both" : "not risen"}.`;
    paintGaps();
    charts.forEach(paintChart);
  }
  const resized = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(show);
  resized?.observe(root);
  show();
  return () => resized?.disconnect();
}
export default { render };
