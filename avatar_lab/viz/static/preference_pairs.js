// Chapter 08: vote on pairs of films, one the true avatar, one generated without the user. Which is which is told after
// the vote; then the traces are drawn, and the score shows the share of winners found, with Wilson's interval.
// Votes stay in this page.

const COLOURS = { user: "#009E73", preferred: "#0072B2", losing: "#D55E00", hidden: "#8888" };
const RATE = 25; // redrawn a second
const NAMES = { preferred: "preferred: the true motion", losing: "losing: made without the user" };

export function wilson(won, count, z = 1.96) {
  const share = won / count, spread = (z * z) / count;
  const half = z * Math.sqrt((share * (1 - share)) / count + spread / (4 * count)) / (1 + spread);
  const centre = (share + spread / 2) / (1 + spread);
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

function make(tag, css, text) {
  const node = document.createElement(tag);
  node.style.cssText = css ?? "";
  if (text !== undefined) node.textContent = text;
  return node;
}

export function render({ model, el }) {
  const pairs = model.get("pairs"), frames = model.get("frames"), edge = model.get("edge"), fps = model.get("fps");
  const votes = pairs.map(() => null);
  const films = pairs.map((pair) => Object.fromEntries(Object.entries(pair.films).map(([at, source]) => {
    const image = new Image();
    image.src = source;
    return [at, image];
  })));
  let at = 0, frame = 0, timer = null;

  const root = make("div", "max-width:640px;font:14px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit)");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Vote on pairs of films");
  const button = "padding:6px 12px;border-radius:8px;border:1px solid var(--jp-border-color1,#8888);background:none;color:inherit;cursor:pointer;font:inherit";

  const title = make("div", "font-weight:600;margin-bottom:6px");
  const stage = make("div", "display:grid;grid-template-columns:repeat(3,1fr);gap:10px");
  const screens = ["user", "left", "right"].map((side) => {
    const box = make("figure", "margin:0;min-width:0"), canvas = make("canvas", "width:100%;aspect-ratio:1;border-radius:12px;background:#8882;display:block;border:3px solid transparent;box-sizing:border-box");
    canvas.width = canvas.height = edge;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", side === "user" ? "film of the user" : `film ${side === "left" ? "A" : "B"} of the avatar`);
    const caption = make("figcaption", "font-size:12px;text-align:center;margin-top:3px;min-height:2.4em;line-height:1.2");
    box.append(canvas, caption);
    stage.append(box);
    return { side, canvas, caption };
  });

  const answers = make("div", "display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin:6px 0");
  const choices = { left: "A reacts", same: "about the same", right: "B reacts" };
  const buttons = Object.entries(choices).map(([answer, label]) => {
    const one = make("button", button, label);
    one.addEventListener("click", () => vote(answer));
    answers.append(one);
    return { one, answer };
  });
  const next = make("button", button, "next pair"), play = make("button", button, "pause");
  next.addEventListener("click", () => { at = (at + 1) % pairs.length; frame = 0; show(); });
  play.addEventListener("click", () => run(timer === null));
  answers.append(next, play);

  const told = make("p", "margin:4px 0;min-height:1.3em");
  told.setAttribute("aria-live", "polite");
  const traces = make("canvas", "width:100%;height:120px;display:block");
  traces.setAttribute("role", "img");
  traces.setAttribute("aria-label", "smiles of the user and of both avatars over time; shown after the vote");

  const score = make("canvas", "width:100%;height:56px;display:block;margin-top:8px");
  score.setAttribute("role", "img");
  const more = make("label", "display:flex;flex-wrap:wrap;gap:8px;align-items:center;font-size:13px"), times = make("input", "flex:1;min-width:120px"), much = make("span", "min-width:11em");
  Object.assign(times, { type: "range", min: 1, max: 50, value: 1 });
  times.setAttribute("aria-label", "how many times as many votes");
  times.addEventListener("input", paintScore);
  more.append(make("span", "", "If you went on like this:"), times, much);
  root.append(title, stage, answers, told, traces, score, more);
  el.append(root);

  function vote(answer) {
    if (votes[at] !== null) return;
    votes[at] = answer;
    show();
    next.focus();
  }
  const ink = () => getComputedStyle(root).color;
  function sized(canvas) {
    const width = canvas.clientWidth || 600, height = canvas.clientHeight || 100, dense = window.devicePixelRatio || 1;
    canvas.width = width * dense;
    canvas.height = height * dense;
    const c = canvas.getContext("2d");
    c.scale(dense, dense);
    c.font = "12px system-ui,sans-serif";
    return { c, width, height };
  }
  function paint() {
    screens.forEach(({ side, canvas }) => {
      const film = films[at][side];
      if (!film.complete || !film.naturalWidth) return;
      const c = canvas.getContext("2d"), whole = Math.floor(frame);
      // Eight pictures a second; what lies between is blended.
      [[whole, 1], [Math.min(whole + 1, frames - 1), frame - whole]].forEach(([number, much]) => {
        c.globalAlpha = much;
        c.drawImage(film, number * edge, 0, edge, edge, 0, 0, edge, edge);
      });
      c.globalAlpha = 1;
    });
    paintTraces();
  }
  function paintTraces() {
    const { c, width, height } = sized(traces), pair = pairs[at], known = votes[at] !== null;
    const x = (t) => 4 + (t * (width - 8)) / (frames - 1), y = (value) => height - 18 - value * (height - 38);
    c.fillStyle = ink();
    c.fillText("smile", 4, 12);
    const line = (side, colour, fill) => {
      c.beginPath();
      pair.traces[side].smile.forEach((value, t) => c.lineTo(x(t), y(Math.min(1, value))));
      if (fill) {
        c.lineTo(x(frames - 1), y(0));
        c.lineTo(x(0), y(0));
        c.globalAlpha = 0.28;
        c.fillStyle = colour;
        c.fill();
        c.globalAlpha = 1;
      } else {
        c.strokeStyle = colour;
        c.lineWidth = 2.5;
        c.stroke();
      }
    };
    line("user", COLOURS.user, true);
    const legend = [["user", COLOURS.user]];
    if (known) ["left", "right"].forEach((side) => {
      line(side, COLOURS[pair[side]]);
      legend.push([`${side === "left" ? "A" : "B"}, ${pair[side]}`, COLOURS[pair[side]]]);
    });
    let left = 46;
    legend.forEach(([name, colour]) => {
      c.fillStyle = colour;
      c.fillRect(left, 4, 10, 10);
      c.fillStyle = ink();
      c.fillText(name, left + 14, 13);
      left += 28 + c.measureText(name).width;
    });
    c.strokeStyle = c.fillStyle = ink();
    c.globalAlpha = 0.5;
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(x(frame), 18);
    c.lineTo(x(frame), height - 16);
    c.stroke();
    for (let s = 0; s <= (frames - 1) / fps; s += 1) c.fillText(`${s} s`, Math.min(x(s * fps), width - 22), height - 4);
    c.globalAlpha = 1;
  }
  function paintScore() {
    const { c, width, height } = sized(score), cast = votes.filter((v) => v !== null).length, factor = Number(times.value);
    const won = votes.reduce((sum, v, i) => sum + (v === null ? 0 : v === "same" ? 0.5 : Number(pairs[i][v] === "preferred")), 0);
    const x = (share) => 8 + share * (width - 16), middle = 20;
    c.strokeStyle = c.fillStyle = ink();
    c.globalAlpha = 0.35;
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(x(0), middle);
    c.lineTo(x(1), middle);
    c.stroke();
    c.setLineDash([3, 3]);
    c.beginPath();
    c.moveTo(x(0.5), 4);
    c.lineTo(x(0.5), 36);
    c.stroke();
    c.setLineDash([]);
    c.globalAlpha = 0.8;
    [[0, "0 %", "left"], [0.5, "chance", "center"], [1, "100 %", "right"]].forEach(([share, text, align]) => {
      c.textAlign = align;
      c.fillText(text, x(share), 50);
    });
    c.globalAlpha = 1;
    if (!cast) {
      much.textContent = "no vote yet";
      score.setAttribute("aria-label", "no vote yet");
      return;
    }
    const [low, high] = wilson(won * factor, cast * factor);
    c.strokeStyle = c.fillStyle = COLOURS.preferred;
    c.lineWidth = 6;
    c.lineCap = "round";
    c.beginPath();
    c.moveTo(x(low), middle);
    c.lineTo(x(high), middle);
    c.stroke();
    c.beginPath();
    c.arc(x(won / cast), middle, 8, 0, 7);
    c.fill();
    const percent = (share) => `${Math.round(100 * share)} %`;
    const words = `winner found in ${percent(won / cast)} of ${cast * factor} (${percent(low)} to ${percent(high)})`;
    much.textContent = words;
    score.setAttribute("aria-label", words);
  }
  function show() {
    const pair = pairs[at], mine = votes[at];
    title.textContent = `Pair ${at + 1} of ${pairs.length} (${pair.name}): which avatar reacts to the user?`;
    screens.forEach(({ side, canvas, caption }) => {
      const letter = side === "left" ? "A" : "B";
      if (side === "user") caption.textContent = "user";
      else {
        caption.textContent = mine === null ? letter : `${letter} - ${NAMES[pair[side]]}`;
        canvas.style.borderColor = mine === null ? "transparent" : COLOURS[pair[side]];
      }
    });
    buttons.forEach(({ one, answer }) => {
      one.disabled = mine !== null;
      one.style.opacity = mine === null ? 1 : 0.45;
      one.style.outline = mine === answer ? "2px solid currentColor" : "";
    });
    told.textContent = mine === null ? "Same user, same voice. Look, then vote; the answer comes after it."
      : mine === "same" ? "A tie counts half. The blue one is the true motion." : pair[mine] === "preferred" ? "You found the winner." : "That was the losing one.";
    paint();
    paintScore();
  }
  function run(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => { frame = (frame + fps / RATE) % (frames - 1); paint(); }, 1000 / RATE) : null;
    play.textContent = on ? "pause" : "play";
  }
  films.forEach((three) => Object.values(three).forEach((film) => film.addEventListener("load", paint)));
  const resized = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(() => { paintTraces(); paintScore(); });
  resized?.observe(root);
  show();
  run(!window.matchMedia("(prefers-reduced-motion: reduce)").matches);
  return () => { run(false); resized?.disconnect(); };
}
export default { render };
