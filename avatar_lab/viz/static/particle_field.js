// Chapter 03: the same noise walks to the data, by several solvers side by side. States come as hundredths; between two
// states a particle moves on a straight line over sigma, so that the slider may stop anywhere.

const COLOURS = ["#5b8ec9", "#f28e2b", "#e15759", "#59a14f", "#b07aa1"];
const EDGE = 340;

export function render({ model, el }) {
  const walks = model.get("walks"), miss = model.get("miss"), exact = model.get("exact"), field = model.get("field");
  const data = model.get("data"), groups = model.get("groups"), reach = model.get("reach"), side = model.get("side");
  const names = Object.keys(walks);
  const counts = [...new Set(names.flatMap((name) => Object.keys(walks[name]).map(Number)))].sort((a, b) => a - b);
  const s = { nfe: counts.includes(4) ? 4 : counts[0], sigma: 0.5, arrows: true, trails: true, timer: null };

  const root = document.createElement("div");
  root.style.cssText = "font:13px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit);max-width:740px";
  el.append(root);
  const line = () => {
    const box = document.createElement("div");
    box.style.cssText = "display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center;margin:4px 0";
    root.append(box);
    return box;
  };

  // How many evaluations: one radio button each, so that arrow keys walk through them.
  const choice = line(), key = `nfe${Math.random()}`;
  choice.setAttribute("role", "radiogroup");
  choice.setAttribute("aria-label", "evaluations of the network");
  choice.append("evaluations");
  counts.forEach((count) => {
    const label = document.createElement("label"), input = document.createElement("input");
    label.style.cssText = "display:flex;gap:3px;align-items:center;cursor:pointer";
    Object.assign(input, { type: "radio", name: key, checked: count === s.nfe });
    input.style.margin = "0";
    input.addEventListener("change", () => { s.nfe = count; draw(); });
    label.append(input, String(count));
    choice.append(label);
  });

  const controls = line();
  const play = document.createElement("button"), slider = document.createElement("input"), sliderBox = document.createElement("label");
  play.style.cssText = "min-width:64px;padding:3px 14px;border-radius:6px;border:1px solid var(--jp-border-color1,#8886);background:none;color:inherit;cursor:pointer";
  // From left to right, as the walk goes: sigma falls.
  Object.assign(slider, { type: "range", min: 0, max: 100, step: 1 });
  slider.style.width = "200px";
  slider.setAttribute("aria-label", "sigma, from 1 (noise) on the left to 0 (face) on the right");
  sliderBox.style.cssText = "display:flex;gap:8px;align-items:center";
  const level = document.createElement("span");
  level.style.cssText = "min-width:34px;font-variant-numeric:tabular-nums";
  sliderBox.append("noise", slider, "face   σ =", level);
  controls.append(play, sliderBox);
  [["arrows", "velocity field"], ["trails", "trails"]].forEach(([name, text]) => {
    const label = document.createElement("label"), input = document.createElement("input");
    label.style.cssText = "display:flex;gap:4px;align-items:center;cursor:pointer";
    Object.assign(input, { type: "checkbox", checked: s[name] });
    input.style.margin = "0";
    input.addEventListener("change", () => { s[name] = input.checked; draw(); });
    label.append(input, text);
    controls.append(label);
  });

  const stage = document.createElement("div");
  stage.style.cssText = "display:flex;flex-wrap:wrap;gap:10px 16px;margin-top:6px";
  root.append(stage);
  const panels = names.map((name) => {
    const box = document.createElement("figure"), canvas = document.createElement("canvas"), caption = document.createElement("figcaption");
    box.style.cssText = `margin:0;flex:1 1 250px;max-width:${EDGE}px`;
    canvas.style.cssText = "width:100%;display:block;border-radius:10px;background:rgba(128,128,128,.08)";
    canvas.setAttribute("role", "img");
    caption.style.cssText = "margin-top:4px;min-height:3em";
    box.append(canvas, caption);
    stage.append(box);
    return { name, canvas, caption };
  });
  const verdict = document.createElement("p");
  verdict.setAttribute("aria-live", "polite");
  verdict.style.cssText = "margin:2px 0 0";
  root.append(verdict);

  const to = (hundredth) => EDGE * (0.5 + hundredth / 200 / reach);
  const up = (hundredth) => EDGE * (0.5 - hundredth / 200 / reach);

  function ground(c, ink) {
    c.fillStyle = ink;
    c.globalAlpha = 0.2;
    for (let k = 0; k < data.length; k += 2) c.fillRect(to(data[k]) - 1.5, up(data[k + 1]) - 1.5, 3, 3);
    if (!s.arrows) return;
    const at = (1 - s.sigma) * (field.length - 1), low = Math.min(field.length - 2, Math.floor(at)), part = at - low;
    c.globalAlpha = 0.35;
    c.strokeStyle = ink;
    c.lineWidth = 1;
    for (let k = 0; k < side * side; k += 1) {
      const mix = (axis) => (1 - part) * field[low][2 * k + axis] + part * field[low + 1][2 * k + axis];
      const vx = mix(0), vy = mix(1), size = Math.hypot(vx, vy) || 1, long = Math.min(11, 0.045 * size);
      const x = to(100 * reach * (2 * Math.floor(k / side) / (side - 1) - 1)), y = up(100 * reach * (2 * (k % side) / (side - 1) - 1));
      const dx = long * vx / size, dy = -long * vy / size;
      c.beginPath();
      c.moveTo(x - dx, y - dy);
      c.lineTo(x + dx, y + dy);
      c.lineTo(x + dx - 0.5 * dx - 0.3 * dy, y + dy - 0.5 * dy + 0.3 * dx);
      c.moveTo(x + dx, y + dy);
      c.lineTo(x + dx - 0.5 * dx + 0.3 * dy, y + dy - 0.5 * dy - 0.3 * dx);
      c.stroke();
    }
  }

  function particles(c, states) {
    const steps = states.length - 1, at = Math.min(steps - 1e-9, (1 - s.sigma) * steps), low = Math.floor(at), part = at - low;
    for (let i = 0; i < groups.length; i += 1) {
      const place = (k) => [to(states[k][2 * i]), up(states[k][2 * i + 1])];
      const [ax, ay] = place(low), [bx, by] = place(low + 1), x = ax + part * (bx - ax), y = ay + part * (by - ay);
      c.strokeStyle = c.fillStyle = COLOURS[groups[i] % COLOURS.length];
      if (s.trails) {
        c.globalAlpha = 0.3;
        c.lineWidth = 1;
        c.beginPath();
        for (let k = 0; k <= low; k += 1) { if (k) c.lineTo(...place(k)); else c.moveTo(...place(k)); }
        c.lineTo(x, y);
        c.stroke();
      }
      if (s.sigma < 0.005) { // landed: a thread to where the exact flow would have taken it
        c.globalAlpha = 0.9;
        c.lineWidth = 1.5;
        c.beginPath();
        c.moveTo(x, y);
        c.lineTo(to(exact[2 * i]), up(exact[2 * i + 1]));
        c.stroke();
      }
      c.globalAlpha = 0.95;
      c.beginPath();
      c.arc(x, y, 2.6, 0, 7);
      c.fill();
    }
    c.globalAlpha = 1;
    return { low, steps };
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1, ink = getComputedStyle(root).color;
    slider.value = Math.round(100 * (1 - s.sigma));
    level.textContent = s.sigma.toFixed(2);
    slider.setAttribute("aria-valuetext", `sigma ${s.sigma.toFixed(2)}`);
    const said = [];
    panels.forEach(({ name, canvas, caption }) => {
      const states = walks[name][s.nfe], c = canvas.getContext("2d");
      canvas.width = canvas.height = EDGE * ratio;
      c.scale(ratio, ratio);
      c.clearRect(0, 0, EDGE, EDGE);
      ground(c, ink);
      caption.replaceChildren();
      const head = document.createElement("b");
      head.textContent = name;
      if (!states) {
        caption.append(head, `: a step takes two evaluations; ${s.nfe} is too few for one.`);
      } else {
        const { low, steps } = particles(c, states);
        const all = `${steps} step${steps > 1 ? "s" : ""}`, far = miss[name][s.nfe];
        caption.append(head, s.sigma < 0.005 ? `: ${all}, landed ${far.toFixed(3)} away.` : `: in step ${low + 1} of ${all}.`);
        said.push([name, far]);
      }
      canvas.setAttribute("aria-label", caption.textContent);
    });
    const paid = `${s.nfe} evaluation${s.nfe > 1 ? "s" : ""} paid`;
    if (s.sigma >= 0.005) verdict.textContent = `${s.nfe} evaluation${s.nfe > 1 ? "s" : ""}. Press play, or drag to the face, to see who lands nearer.`;
    else if (said.length > 1) {
      const [best, next] = [...said].sort((a, b) => a[1] - b[1]), factor = next[1] / best[1];
      verdict.textContent = factor < 1.15 ? `${paid}: both land about as far off.` : `${paid}: ${best[0]} lands ${factor.toFixed(1)} times nearer to the exact flow.`;
    } else verdict.textContent = `${paid}.`;
  }

  function run(on) {
    clearInterval(s.timer);
    s.timer = on ? setInterval(() => {
      s.sigma = Math.max(0, s.sigma - 0.01);
      draw();
      if (s.sigma === 0) run(false);
    }, 40) : null;
    play.textContent = on ? "pause" : "play";
  }
  play.addEventListener("click", () => {
    if (s.timer === null && s.sigma === 0) s.sigma = 1;
    run(s.timer === null);
  });
  slider.addEventListener("input", () => { run(false); s.sigma = 1 - Number(slider.value) / 100; draw(); });
  draw();
  run(false);
  return () => run(false);
}
export default { render };
