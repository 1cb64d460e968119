// Chapter 01: a lag is planted between two heads; listen longer, and the cross-correlation finds it again.

const BLUE = "#4a90d9", ORANGE = "#e8892b", GREY = "#8a8f98";

function pearson(a, b, lag, n) {
  const from = Math.max(0, -lag), to = n - Math.max(0, lag), m = to - from;
  let sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  for (let i = from; i < to; i += 1) {
    const x = a[i], y = b[i + lag];
    sa += x; sb += y; saa += x * x; sbb += y * y; sab += x * y;
  }
  return (sab - (sa * sb) / m) / Math.sqrt((saa - (sa * sa) / m) * (sbb - (sb * sb) / m));
}

export function render({ model, el }) {
  const fps = model.get("fps"), reach = model.get("reach"), lengths = model.get("lengths"), tracks = {};
  for (const [name, values] of Object.entries(model.get("tracks"))) tracks[name] = Float64Array.from(values, (v) => v / 100);
  const lags = Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach);
  const s = { lag: model.get("lag"), strength: model.get("strength"), length: Math.min(1, lengths.length - 1), truth: true, now: 0, timer: null };
  const root = document.createElement("div");
  root.style.cssText = "font:13px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit);max-width:760px";
  el.append(root);
  const controls = document.createElement("div");
  controls.style.cssText = "display:flex;flex-wrap:wrap;gap:6px 22px;align-items:center;margin:4px 0 8px";
  root.append(controls);
  const slide = (text, input, show) => {
    const box = document.createElement("label"), out = document.createElement("span"), range = document.createElement("input");
    box.style.cssText = "display:flex;align-items:center;gap:7px";
    Object.assign(range, { type: "range", ...input });
    range.style.width = "120px";
    range.setAttribute("aria-label", text);
    out.style.cssText = "min-width:52px;font-variant-numeric:tabular-nums";
    const tell = () => { out.textContent = show(); range.setAttribute("aria-valuetext", show()); };
    range.addEventListener("input", () => { s[range.name] = Number(range.value); tell(); draw(); });
    tell();
    box.append(text, range, out);
    controls.append(box);
  };
  const seconds = (frames) => `${frames > 0 ? "+" : ""}${(frames / fps).toFixed(2)} s`;
  slide("planted lag", { name: "lag", min: -25, max: 40, step: 1, value: s.lag }, () => seconds(s.lag));
  slide("copies", { name: "strength", min: 0, max: 1, step: 0.01, value: s.strength }, () => s.strength.toFixed(2));
  slide("listen for", { name: "length", min: 0, max: lengths.length - 1, step: 1, value: s.length }, () => `${lengths[s.length]} s`);
  const play = document.createElement("button");
  play.style.cssText = "padding:3px 14px;border-radius:6px;border:1px solid var(--jp-border-color1,#8886);background:none;color:inherit;cursor:pointer";
  play.addEventListener("click", () => run(s.timer === null));
  const check = document.createElement("input"), checkBox = document.createElement("label");
  Object.assign(check, { type: "checkbox", checked: s.truth });
  check.addEventListener("change", () => { s.truth = check.checked; draw(); });
  checkBox.style.cssText = "display:flex;align-items:center;gap:6px";
  checkBox.append(check, "show the truth");
  controls.append(checkBox, play);
  const sheet = (height) => {
    const canvas = document.createElement("canvas");
    canvas.style.cssText = `width:100%;height:${height}px;display:block`;
    canvas.setAttribute("role", "img");
    root.append(canvas);
    return canvas;
  };
  const upper = sheet(176), lower = sheet(196), verdict = document.createElement("p");
  verdict.setAttribute("aria-live", "polite");
  verdict.style.cssText = "margin:8px 0 0;min-height:2.8em";
  root.append(verdict);

  // The seconds in which the user's head moves most: there the copy is easy to see.
  const shown = 10 * fps, window_ = (() => {
    let best = 0, most = -1, energy = 0;
    const at = (i) => Math.abs(tracks.copy[i]);
    for (let i = 0; i < Math.min(lengths[0] * fps, tracks.copy.length); i += 1) {
      energy += at(i) - (i >= shown ? at(i - shown) : 0);
      if (i >= shown && energy > most) { most = energy; best = i - shown; }
    }
    return best;
  })();
  const planted = (i) => (i - s.lag >= 0 && i - s.lag < tracks.copy.length ? s.strength * tracks.copy[i - s.lag] : 0);
  const paper = (canvas, height) => {
    const ratio = window.devicePixelRatio || 1, wide = Math.max(260, root.clientWidth || 700), c = canvas.getContext("2d");
    canvas.width = wide * ratio;
    canvas.height = height * ratio;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.font = "11px system-ui,sans-serif";
    c.fillStyle = c.strokeStyle = getComputedStyle(root).color;
    c.lineJoin = "round";
    return { c, wide, ink: getComputedStyle(root).color };
  };
  // A head seen from the front: eyes, nose and mouth move up and down with its pitch.
  const head = (c, x, y, pitch, colour) => {
    const up = Math.max(-9, Math.min(9, 2.2 * pitch));
    c.strokeStyle = c.fillStyle = colour;
    c.lineWidth = 2;
    c.beginPath(); c.ellipse(x, y, 18, 22, 0, 0, 7); c.stroke();
    for (const side of [-7, 7]) { c.beginPath(); c.arc(x + side, y - 4 - up, 2.4, 0, 7); c.fill(); }
    c.beginPath(); c.moveTo(x, y - 1 - 1.2 * up); c.lineTo(x, y + 4 - 1.3 * up); c.stroke();
    c.beginPath(); c.arc(x, y + 5 - up, 7, 0.25 * Math.PI, 0.75 * Math.PI); c.stroke();
  };
  const trace = (c, points, colour, width, dash = []) => {
    c.beginPath();
    points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.setLineDash(dash);
    c.stroke();
    c.setLineDash([]);
  };

  function drawHeads() {
    const { c, wide, ink } = paper(upper, 176), left = 56, right = wide - 8, px = (right - left) / shown;
    const rows = [
      ["the user's head: degrees up and down", tracks.user, tracks.copy, 1, BLUE, 0, 52],
      ["the avatar's head", null, null, 1, ORANGE, s.lag, 130],
    ];
    rows.forEach(([text, values, , , colour, , middle], row) => {
      c.fillStyle = colour;
      c.fillText(text, left, middle - 36);
      const value = (i) => (row ? tracks.own[i] + planted(i) : values[i]);
      let mean = 0;
      for (let i = 0; i < shown; i += 1) mean += value(window_ + i) / shown;
      const points = Array.from({ length: shown }, (_, i) => [left + i * px, middle - 6 * Math.max(-5, Math.min(5, value(window_ + i) - mean))]);
      trace(c, points, colour, 2);
      head(c, 24, middle - 6, value(window_ + s.now) - mean, colour);
      c.beginPath(); c.arc(...points[s.now], 4, 0, 7); c.fill();
      if (s.truth) {
        const part = (i) => (row ? planted(i) : s.strength * tracks.copy[i]);
        trace(c, points.map(([x], i) => [x, middle - 14 * part(window_ + i)]), ink, 1.2, [3, 3]);
      }
    });
    c.globalAlpha = 0.3;
    trace(c, [[left + s.now * px, 12], [left + s.now * px, 160]], ink, 1);
    c.globalAlpha = 1;
    if (s.truth) {
      // From the user's strongest movement to its copy.
      let peak = 30;
      for (let i = 30; i < shown - 45; i += 1) if (Math.abs(tracks.copy[window_ + i]) > Math.abs(tracks.copy[window_ + peak])) peak = i;
      const y = (middle, value) => middle - 14 * value, value = s.strength * tracks.copy[window_ + peak];
      const from = [left + peak * px, y(52, value)], to = [left + (peak + s.lag) * px, y(130, value)];
      trace(c, [from, to], ink, 1);
      [from, to].forEach(([x, yy]) => { c.beginPath(); c.arc(x, yy, 3.5, 0, 7); c.fillStyle = ink; c.fill(); });
    }
    c.fillStyle = ink;
    c.textAlign = "right";
    c.fillText(s.truth ? "10 seconds; dotted: what is copied, enlarged" : "10 seconds", right, 172);
    c.textAlign = "left";
  }
  function drawCurve() {
    const n = Math.min(lengths[s.length] * fps, tracks.user.length), avatar = new Float64Array(n);
    for (let i = 0; i < n; i += 1) avatar[i] = tracks.own[i] + planted(i);
    const curve = lags.map((lag) => pearson(tracks.user, avatar, lag, n));
    const other = lags.map((lag) => pearson(tracks.stranger, avatar, lag, n));
    const best = curve.indexOf(Math.max(...curve)), found = lags[best];
    const { c, wide, ink } = paper(lower, 196), left = 34, right = wide - 8, top = 22, base = 158;
    const most = Math.max(0.15, ...curve.map(Math.abs), ...other.map(Math.abs)) * 1.05;
    const x = (lag) => left + ((lag + reach) / (2 * reach)) * (right - left), y = (r) => (top + base) / 2 - (r / most) * ((base - top) / 2);
    c.globalAlpha = 0.35;
    trace(c, [[left, y(0)], [right, y(0)]], ink, 1);
    trace(c, [[x(0), top], [x(0), base]], ink, 1);
    c.globalAlpha = 1;
    if (s.truth) {
      c.globalAlpha = 0.25;
      c.fillStyle = ORANGE;
      c.fillRect(x(s.lag - 1), top, x(s.lag + 1) - x(s.lag - 1), base - top);
      c.globalAlpha = 1;
      trace(c, [[x(s.lag), top], [x(s.lag), base]], ink, 1.2, [4, 3]);
    }
    trace(c, lags.map((lag, i) => [x(lag), y(other[i])]), GREY, 1.5);
    trace(c, lags.map((lag, i) => [x(lag), y(curve[i])]), ORANGE, 2.4);
    c.beginPath();
    c.arc(x(found), y(curve[best]), 5, 0, 7);
    c.fillStyle = ORANGE;
    c.fill();
    c.fillStyle = ink;
    const words = wide < 440 ? "the avatar's correlation with " : "correlation of the avatar's head with ";
    c.fillText(words, left, 12);
    const after = left + c.measureText(words).width;
    c.fillStyle = ORANGE;
    c.fillText("its user", after, 12);
    c.fillStyle = GREY;
    c.fillText("a stranger", after + c.measureText("its user   ").width, 12);
    c.fillStyle = ink;
    c.textAlign = "right";
    for (const r of [-most * 0.8, 0, most * 0.8]) c.fillText(r.toFixed(2).replace("-", "−"), left - 4, y(r) + 4);
    c.textAlign = "center";
    for (let lag = -reach; lag <= reach; lag += fps) c.fillText(`${lag > 0 ? "+" : ""}${lag / fps}`.replace("-", "−"), Math.min(right - 6, Math.max(left + 6, x(lag))), base + 15);
    c.fillText("seconds by which the avatar follows", (left + right) / 2, base + 33);
    c.textAlign = "left";
    const off = Math.abs(found - s.lag), chance = Math.max(...other), judged = off <= 1 ? "right, within one frame." : `${off} frames beside the truth.`;
    verdict.textContent = `After ${lengths[s.length]} s the peak, ${curve[best].toFixed(2)}, stands at ${found} frames (${seconds(found)})` +
      (s.truth ? `; planted: ${s.lag}. That is ${judged} ` : ". ") + `The stranger's curve reaches ${chance.toFixed(2)} by chance.`;
    lower.setAttribute("aria-label", verdict.textContent);
  }
  function draw() {
    drawHeads();
    drawCurve();
    upper.setAttribute("aria-label", `Ten seconds of both heads; the avatar's copy comes ${seconds(s.lag)} after the user's movement.`);
  }
  function run(on) {
    clearInterval(s.timer);
    s.timer = on ? setInterval(() => { s.now = (s.now + 1) % shown; drawHeads(); }, 1000 / fps) : null;
    play.textContent = on ? "pause" : "play";
  }
  const watch = new ResizeObserver(() => { if (Math.abs(upper.width - (root.clientWidth || 700) * (window.devicePixelRatio || 1)) > 2) draw(); });
  watch.observe(root);
  draw();
  run(false);
  return () => { run(false); watch.disconnect(); };
}
export default { render };
