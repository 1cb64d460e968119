// Chapter 12: what bounds a block of the published size, on machines of your choice.

const MACHINES = {
  "laptop, 2 cores": [400, 30], "workstation, 16 cores": [2000, 80], "laptop card": [10000, 250],
  "data centre card": [60000, 3000],
};
const FORMATS = { "32 bit": [4, 1], "16 bit": [2, 2], "8 bit": [1, 4] };

export function render({ model, el }) {
  const weights = model.get("weights"), matrices = model.get("matrices"), tokens = model.get("tokens");
  const budget = model.get("block_ms");
  const s = { peak: 400, speed: 30, steps: 8, branches: 3, format: "32 bit" };
  const root = document.createElement("div");
  root.style.cssText = "max-width:760px;font:13px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit)";
  el.append(root);
  const controls = document.createElement("div");
  controls.style.cssText = "display:flex;flex-wrap:wrap;gap:6px 18px;align-items:center;margin:4px 0 10px";
  root.append(controls);

  const choose = (label, names, start, act) => {
    const box = document.createElement("label"), select = document.createElement("select");
    box.style.cssText = "display:flex;align-items:center;gap:6px";
    names.forEach((name) => select.append(new Option(name, name)));
    select.value = start;
    select.addEventListener("change", () => { act(select.value); update(); });
    box.append(label, select);
    controls.append(box);
    return select;
  };
  const slide = (label, key, low, high, step, unit, log = false) => {
    const box = document.createElement("label"), input = document.createElement("input"), out = document.createElement("span");
    const to = (x) => (log ? Math.log10(x) : x), from = (x) => (log ? 10 ** x : Number(x));
    box.style.cssText = "display:flex;align-items:center;gap:6px";
    Object.assign(input, { type: "range", min: to(low), max: to(high), step: log ? 0.01 : step, value: to(s[key]) });
    input.style.width = "110px";
    out.style.cssText = "min-width:92px;font-variant-numeric:tabular-nums";
    const show = () => { out.textContent = `${Math.round(s[key]).toLocaleString("en")} ${unit}`; };
    input.addEventListener("input", () => { s[key] = from(input.value); show(); update(); });
    show();
    box.append(label, input, out);
    controls.append(box);
    return () => { input.value = to(s[key]); show(); };
  };
  choose("machine", Object.keys(MACHINES), "laptop, 2 cores", (name) => { [s.peak, s.speed] = MACHINES[name]; peak(); speed(); });
  choose("weights in", Object.keys(FORMATS), "32 bit", (name) => { s.format = name; });
  const peak = slide("peak", "peak", 100, 100000, 0, "GFLOP/s", true);
  const speed = slide("bandwidth", "speed", 5, 5000, 0, "GB/s", true);
  slide("steps", "steps", 1, 16, 1, "");
  slide("branches", "branches", 1, 3, 1, "");

  const bars = document.createElement("div");
  root.append(bars);
  const verdict = document.createElement("p");
  verdict.setAttribute("aria-live", "polite");
  verdict.style.cssText = "margin:8px 0 0";
  root.append(verdict);

  const row = (name, ms, colour, scale) => {
    const line = document.createElement("div"), label = document.createElement("span"), track = document.createElement("div");
    const fill = document.createElement("div"), mark = document.createElement("div"), value = document.createElement("span");
    line.style.cssText = "display:grid;grid-template-columns:96px 1fr 84px;gap:10px;align-items:center;margin:5px 0";
    track.style.cssText = "position:relative;height:18px;border-radius:4px;background:var(--jp-layout-color2,#8882)";
    fill.style.cssText = `height:100%;border-radius:4px;background:${colour};width:${Math.min(100, 100 * ms / scale)}%`;
    mark.style.cssText = `position:absolute;top:-3px;bottom:-3px;width:2px;background:currentColor;left:${Math.min(100, 100 * budget / scale)}%`;
    value.style.cssText = "font-variant-numeric:tabular-nums;text-align:right";
    label.textContent = name;
    value.textContent = ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(2)} ms`;
    track.append(fill, mark);
    line.append(label, track, value);
    bars.append(line);
  };
  function update() {
    const [bytes, faster] = FORMATS[s.format], passes = Math.round(s.steps) + 1, branches = Math.round(s.branches);
    const gflop = 2 * matrices * tokens * passes * branches / 1e9, gbytes = weights * bytes * passes / 1e9;
    const work = 1000 * gflop / (s.peak * faster), memory = 1000 * gbytes / s.speed;
    const scale = 1.1 * Math.max(work, memory, budget);
    bars.replaceChildren();
    row("arithmetic", work, "#4e79a7", scale);
    row("memory", memory, "#f28e2b", scale);
    const bound = Math.max(work, memory), what = work > memory ? "arithmetic" : "memory";
    verdict.textContent = `${gflop.toFixed(0)} GFLOP and ${gbytes.toFixed(1)} GB a block. Bound by ${what}: at least ` +
      `${bound >= 10 ? Math.round(bound) : bound.toFixed(2)} ms of the ${budget} ms that a block lasts (the line)` +
      (bound > budget ? ": not real time." : ".");
  }
  update();
  return () => {};
}
export default { render };
