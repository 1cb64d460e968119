// Chapter 05: frames on their way from noise to clean, row by row of a schedule's table.

export function render({ model, el }) {
  const tables = model.get("tables"), block = model.get("block"), names = Object.keys(tables);
  const s = { name: names.includes("block") ? "block" : names[0], round: 0, timer: null };
  const root = document.createElement("div");
  root.style.cssText = "font:13px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit);max-width:740px";
  el.append(root);
  const controls = document.createElement("div");
  controls.style.cssText = "display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center;margin:4px 0 8px";
  root.append(controls);
  const select = document.createElement("select"), selectBox = document.createElement("label");
  names.forEach((name) => select.append(new Option(name, name)));
  select.value = s.name;
  selectBox.append("schedule ", select);
  const play = document.createElement("button"), slider = document.createElement("input"), sliderBox = document.createElement("label");
  play.style.cssText = "padding:3px 14px;border-radius:6px;border:1px solid var(--jp-border-color1,#8886);background:none;color:inherit;cursor:pointer";
  Object.assign(slider, { type: "range", min: 0, step: 1, value: 0 });
  slider.style.width = "220px";
  sliderBox.style.cssText = "display:flex;gap:8px;align-items:center";
  sliderBox.append("evaluation", slider);
  controls.append(selectBox, play, sliderBox);
  const canvas = document.createElement("canvas"), WIDE = 700, LEFT = 44, BAR = 62, ROW = 13;
  canvas.style.cssText = "width:100%;max-width:700px;display:block";
  canvas.setAttribute("role", "img");
  const verdict = document.createElement("p");
  verdict.setAttribute("aria-live", "polite");
  verdict.style.cssText = "margin:6px 0 0";
  root.append(canvas, verdict);

  // One fixed picture of noise a frame, and a smooth motion under it.
  const noise = (i, k) => { const x = Math.sin(i * 127.1 + k * 311.7) * 43758.5453; return 2 * (x - Math.floor(x)) - 1; };
  const motion = (i, k) => 0.75 * Math.sin((i + k / 10) / 2.6) + 0.2 * Math.sin((i + k / 10) / 0.9);
  const colour = (sigma) => {
    const clean = [100, 70, 185], noisy = [253, 200, 60]; // dark: clean, bright: noise, as in the chapter's other figure
    return `rgb(${clean.map((v, c) => Math.round(v + sigma * (noisy[c] - v))).join(",")})`;
  };
  function draw() {
    const table = tables[s.name], rounds = table.length, n = table[0].length;
    slider.max = rounds - 1;
    s.round = Math.min(s.round, rounds - 1);
    slider.value = s.round;
    const ratio = window.devicePixelRatio || 1, c = canvas.getContext("2d"), style = getComputedStyle(root);
    const high = BAR + rounds * ROW + 20, row = ROW;
    canvas.width = WIDE * ratio;
    canvas.height = high * ratio;
    c.scale(ratio, ratio);
    c.clearRect(0, 0, WIDE, high);
    c.font = "11px system-ui,sans-serif";
    const cell = (WIDE - LEFT) / n;
    // the motion itself: noise that settles
    c.fillStyle = style.color;
    c.fillText("motion", 0, BAR / 2 + 4);
    for (let i = 0; i < n; i += 1) {
      const sigma = table[s.round][i];
      c.fillStyle = colour(sigma);
      for (let k = 0; k < 10; k += 1) {
        const y = BAR / 2 - 24 * ((1 - sigma) * motion(i, k) + sigma * noise(i, k));
        c.fillRect(LEFT + (i + k / 10) * cell, y, Math.max(1.5, cell / 10 - 0.5), 3);
      }
    }
    // the table
    c.fillStyle = style.color;
    c.fillText("table", 0, BAR + 14);
    table.forEach((levels, r) => levels.forEach((sigma, i) => {
      c.globalAlpha = r <= s.round ? 1 : 0.22;
      c.fillStyle = colour(sigma);
      c.fillRect(LEFT + i * cell + 0.5, BAR + r * row + 0.5, cell - 1, row - 1);
    }));
    c.globalAlpha = 1;
    c.strokeStyle = "#d62728";
    c.lineWidth = 2;
    c.strokeRect(LEFT, BAR + s.round * row, n * cell, row);
    c.fillStyle = style.color;
    for (let i = 0; i < n; i += block) c.fillText(i, LEFT + i * cell + 2, BAR + rounds * row + 14);
    c.fillText("frame", 0, BAR + rounds * row + 14);
    const clean = table[s.round].filter((x) => x === 0).length, busy = table[s.round].filter((x) => x > 0 && x < 1).length;
    verdict.textContent = `After ${s.round} of ${rounds - 1} evaluations: ${clean} frames clean, ${busy} on their way, ${n - clean - busy} still noise.`;
    canvas.setAttribute("aria-label", verdict.textContent);
  }
  function run(on) {
    clearInterval(s.timer);
    s.timer = on ? setInterval(() => { s.round = (s.round + 1) % (tables[s.name].length + 3); if (s.round >= tables[s.name].length) return; draw(); }, 350) : null;
    play.textContent = on ? "pause" : "play";
  }
  play.addEventListener("click", () => run(s.timer === null));
  slider.addEventListener("input", () => { run(false); s.round = Number(slider.value); draw(); });
  select.addEventListener("change", () => { s.name = select.value; s.round = 0; draw(); });
  s.round = Math.max(0, Math.floor(tables[s.name].length / 2) - 2);
  draw();
  run(false);
  return () => run(false);
}
export default { render };
