// Chapter 04: six masks, and what a frame can know through several layers. Click a frame (a row), or use the arrow keys.

const RULES = {
  released: (i, j, B, l) => j <= i + l,
  block_lookahead_frames: (i, j, B, l) => j < (Math.floor(i / B) + 1) * B + l,
  block_lookahead_blocks: (i, j, B, l) => Math.floor(j / B) <= Math.floor(i / B) + l,
  frame_causal: (i, j) => j <= i,
  block_causal: (i, j, B) => Math.floor(j / B) <= Math.floor(i / B),
  bidirectional: () => true,
};
const LAYERS = ["#08519c", "#3182bd", "#6baed6", "#9ecae1", "#c6dbef", "#deebf7"];

export function render({ model, el }) {
  const kinds = model.get("kinds");
  const s = { kind: kinds.includes("released") ? "released" : kinds[0], n: model.get("frames"), B: model.get("block"), l: model.get("lookahead"), depth: 4, frame: 7 };
  const root = document.createElement("div");
  root.style.cssText = "font:13px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit);max-width:760px";
  el.append(root);
  const controls = document.createElement("div");
  controls.style.cssText = "display:flex;flex-wrap:wrap;gap:6px 18px;align-items:center;margin:4px 0 8px";
  root.append(controls);
  const label = (text, child, tail) => {
    const box = document.createElement("label");
    box.style.cssText = "display:flex;align-items:center;gap:6px";
    box.append(text, child);
    if (tail) box.append(tail);
    controls.append(box);
  };
  const select = document.createElement("select");
  kinds.forEach((kind) => select.append(new Option(kind, kind)));
  select.value = s.kind;
  select.addEventListener("change", () => { s.kind = select.value; draw(); });
  label("mask", select);
  const slide = (text, key, low, high) => {
    const input = document.createElement("input"), out = document.createElement("span");
    Object.assign(input, { type: "range", min: low, max: high, step: 1, value: s[key] });
    input.style.width = "90px";
    out.style.cssText = "min-width:20px;font-variant-numeric:tabular-nums";
    out.textContent = s[key];
    input.addEventListener("input", () => { s[key] = Number(input.value); out.textContent = s[key]; draw(); });
    label(text, input, out);
  };
  slide("block", "B", 2, 10);
  slide("look-ahead", "l", 0, 4);
  slide("layers", "depth", 1, 6);

  const body = document.createElement("div");
  body.style.cssText = "display:flex;flex-wrap:wrap;gap:20px;align-items:flex-start";
  root.append(body);
  const canvas = document.createElement("canvas"), EDGE = 360, PAD = 22;
  canvas.style.cssText = `width:${EDGE}px;height:${EDGE}px;cursor:pointer;border-radius:6px`;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  body.append(canvas);
  const side = document.createElement("div");
  side.style.cssText = "flex:1;min-width:240px";
  body.append(side);
  const legend = document.createElement("div"), verdict = document.createElement("p");
  verdict.setAttribute("aria-live", "polite");
  side.append(verdict, legend);

  function mask() {
    const rule = RULES[s.kind];
    return Array.from({ length: s.n }, (_, i) => Array.from({ length: s.n }, (_, j) => rule(i, j, s.B, s.l)));
  }
  // The layer at which row i first knows of column j; 0: never.
  function first(m) {
    const at = m.map((row) => row.map((ok) => (ok ? 1 : 0)));
    let reach = m;
    for (let layer = 2; layer <= s.depth; layer += 1) {
      const next = m.map((row) => row.map((_, j) => row.some((ok, k) => ok && reach[k][j])));
      next.forEach((row, i) => row.forEach((ok, j) => { if (ok && !at[i][j]) at[i][j] = layer; }));
      reach = next;
    }
    return at;
  }
  function draw() {
    s.frame = Math.min(s.frame, s.n - 1);
    const ratio = window.devicePixelRatio || 1, cell = (EDGE - PAD) / s.n, at = first(mask());
    canvas.width = canvas.height = EDGE * ratio;
    const c = canvas.getContext("2d"), style = getComputedStyle(root);
    c.scale(ratio, ratio);
    c.clearRect(0, 0, EDGE, EDGE);
    c.font = "10px system-ui,sans-serif";
    for (let i = 0; i < s.n; i += 1) {
      for (let j = 0; j < s.n; j += 1) {
        const layer = at[i][j];
        c.fillStyle = layer ? LAYERS[layer - 1] : "rgba(128,128,128,.10)";
        c.fillRect(PAD + j * cell + 0.5, PAD + i * cell + 0.5, cell - 1, cell - 1);
      }
    }
    c.strokeStyle = "#e6550d";
    c.lineWidth = 1;
    for (let e = s.B; e < s.n; e += s.B) {
      c.beginPath(); c.moveTo(PAD + e * cell, PAD); c.lineTo(PAD + e * cell, EDGE); c.moveTo(PAD, PAD + e * cell); c.lineTo(EDGE, PAD + e * cell); c.stroke();
    }
    c.strokeStyle = "#d62728";
    c.lineWidth = 2;
    c.strokeRect(PAD, PAD + s.frame * cell, s.n * cell, cell);
    c.fillStyle = style.color;
    for (let k = 0; k < s.n; k += s.B) {
      c.fillText(k, PAD + k * cell + 2, PAD - 6);
      c.fillText(k, 4, PAD + k * cell + 11);
    }
    const known = at[s.frame].map((layer, j) => (layer ? j : -1)).filter((j) => j >= 0);
    const farthest = Math.max(...known), end = (Math.floor(s.frame / s.B) + 1) * s.B - 1;
    const ahead = farthest - end;
    verdict.textContent = `Frame ${s.frame} is in block ${Math.floor(s.frame / s.B)}, which ends with frame ${end}. ` +
      `After ${s.depth} layer${s.depth > 1 ? "s" : ""} it can know of frames 0 to ${farthest}` +
      (ahead > 0 ? `: ${ahead} beyond its block.` : ": nothing beyond its block.");
    canvas.setAttribute("aria-label", verdict.textContent);
    legend.replaceChildren();
    for (let layer = 1; layer <= s.depth; layer += 1) {
      const line = document.createElement("div"), box = document.createElement("span");
      box.style.cssText = `display:inline-block;width:12px;height:12px;margin-right:7px;vertical-align:-1px;background:${LAYERS[layer - 1]}`;
      line.append(box, layer === 1 ? "seen directly: the mask" : `known after ${layer} layers`);
      legend.append(line);
    }
  }
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) * (EDGE / box.height) - PAD) / ((EDGE - PAD) / s.n));
    if (row >= 0 && row < s.n) { s.frame = row; draw(); }
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    s.frame = Math.max(0, Math.min(s.n - 1, s.frame + step));
    draw();
  });
  draw();
  return () => {};
}
export default { render };
