// The glass box: where the milliseconds of the newest blocks went, and two small charts; all on canvas.
//
// Peculiar: twenty-five DOM updates a second would cost the page more than the avatar does; a canvas costs 2 %.
// Colours are read from the theme each time, so that a switch from light to dark needs no restart.

const STAGES = [
  ["capture", "camera to JPEG"],
  ["uplink", "page to kernel"],
  ["track", "find the face"],
  ["wait", "until its block begins"],
  ["generate", "the network"],
  ["draw", "picture and JPEG"],
  ["downlink", "kernel to page"],
  ["play", "until it is its turn"],
];

/** Split one block's path into stages that add up to the whole; `wait` is what the others leave. */
function splitPath(total, seen, block, arrived, drawn) {
  const t = block.timing || {};
  const sum = (...names) => names.reduce((all, name) => all + (t[name] || 0), 0);
  const parts = {
    capture: seen ? seen.capture : 0,
    uplink: seen ? seen.uplink : 0,
    track: seen ? seen.track : 0,
    generate: sum("see", "listen", "condition", "denoise", "remember"),
    draw: sum("draw", "encode"),
    downlink: seen ? seen.uplink : 0,
    play: Math.max(0, drawn - arrived),
  };
  const rest = total - Object.values(parts).reduce((all, value) => all + value, 0);
  return { ...parts, wait: Math.max(0, rest) };
}

const NARROW = 680; // pixels: below, the facts go under the bars
const STEPS_MS = [50, 100, 200, 500, 1000, 2000, 5000];

class Glass {
  constructor(root, canvas, charts) {
    this.root = root;
    this.canvas = canvas;
    this.charts = charts; // {smile: canvas, nod: canvas}
    this.stages = Object.fromEntries(STAGES.map(([name]) => [name, new Recent(10000)]));
    this.path = new Recent(10000);
    this.all = new Recent(3600000, 60000);
    this.lines = { smile: { user: [], avatar: [] }, nod: { user: [], avatar: [] } };
  }

  clear() {
    for (const recent of [...Object.values(this.stages), this.path, this.all]) recent.items = [];
    for (const pair of Object.values(this.lines)) pair.user.length = pair.avatar.length = 0;
  }

  add(parts) {
    for (const [name, value] of Object.entries(parts)) this.stages[name].push(value);
  }

  /** One camera picture's path: from its capture to the first picture that could depend on it. */
  addPath(value) {
    this.path.push(value);
    this.all.push(value);
  }

  point(who, face, at) {
    if (!face) return;
    for (const name of ["smile", "nod"]) {
      const line = this.lines[name][who];
      while (line.length && line[line.length - 1].at >= at) line.pop(); // a block that came early overrules
      line.push({ at, value: face[name] });
      while (line.length && line[0].at < at - CHART_MS - 500) line.shift();
    }
  }

  palette() {
    const style = getComputedStyle(this.root);
    const read = (name) => style.getPropertyValue(`--avl-${name}`).trim();
    return {
      ink: read("ink"),
      soft: read("soft"),
      line: read("line"),
      accent: read("accent"),
      faint: read("faint"),
      user: read("user"),
      font: style.fontFamily,
    };
  }

  /** Fit a canvas to its box at the screen's resolution; null while it is not on screen. */
  fit(canvas, height) {
    const width = canvas.clientWidth;
    if (!width) return null;
    const ratio = globalThis.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
    }
    const paper = canvas.getContext("2d");
    paper.setTransform(ratio, 0, 0, ratio, 0, 0);
    paper.clearRect(0, 0, width, height);
    return { paper, width, height };
  }

  draw(facts) {
    const colours = this.palette();
    const narrow = this.canvas.clientWidth < NARROW;
    const sheet = this.fit(this.canvas, narrow ? 380 : 252);
    if (sheet) {
      const side = narrow ? sheet.width : Math.round(sheet.width - 236);
      this.drawPath(sheet, colours, side);
      if (narrow) this.drawFacts(sheet, colours, facts, 0, 276, sheet.width, 3);
      else this.drawFacts(sheet, colours, facts, side + 36, 4, 200, 1);
    }
    this.drawChart("smile", 0, 1, colours);
    this.drawChart("nod", -20, 20, colours);
  }

  drawPath({ paper }, colours, width) {
    const p50 = this.path.at(0.5);
    const p95 = this.path.at(0.95);
    paper.textBaseline = "alphabetic";
    paper.textAlign = "left";
    paper.fillStyle = colours.ink;
    paper.font = `600 30px ${colours.font}`;
    const number = milliseconds(p50);
    paper.fillText(number, 0, 28);
    const after = paper.measureText(number).width;
    paper.font = `500 14px ${colours.font}`;
    paper.fillStyle = colours.soft;
    paper.fillText("ms", after + 5, 28);
    paper.font = `400 12px ${colours.font}`;
    const most = `95 of 100 within ${milliseconds(p95)} ms`;
    let text = Number.isFinite(p95) ? `from your face to its answer · ${most}` : "measuring …";
    if (after + 36 + paper.measureText(text).width > width) text = most;
    paper.fillText(text, after + 36, 28);
    this.drawStages(paper, colours, width, 60);
  }

  drawStages(paper, colours, width, top) {
    const left = 76;
    const right = 92;
    const room = Math.max(60, width - left - right);
    const middle = STAGES.map(([name]) => this.stages[name].at(0.5) || 0);
    const worst = STAGES.map(([name]) => this.stages[name].at(0.95) || 0);
    const sum = middle.reduce((all, value) => all + value, 0);
    const extent = Math.max(120, sum, ...middle.map((_, i) => middle.slice(0, i).reduce((a, b) => a + b, 0) + worst[i]));
    const step = STEPS_MS.find((ms) => (ms * room) / extent >= 48) || 10000;
    const scale = room / (Math.ceil(extent / step) * step);
    paper.strokeStyle = colours.faint;
    paper.lineWidth = 1;
    for (let ms = 0; ms * scale <= room + 1; ms += step) {
      const x = Math.round(left + ms * scale) + 0.5;
      paper.beginPath();
      paper.moveTo(x, top - 6);
      paper.lineTo(x, top + STAGES.length * 24 - 2);
      paper.stroke();
      if (ms * scale < room - 12) this.tick(paper, colours, x, top - 10, String(ms));
    }
    let begin = 0;
    STAGES.forEach(([name], i) => {
      const y = top + i * 24;
      const x = left + begin * scale;
      paper.font = `400 12px ${colours.font}`;
      paper.textAlign = "left";
      paper.fillStyle = colours.soft;
      paper.fillText(name, 0, y + 13);
      paper.fillStyle = colours.accent;
      paper.globalAlpha = 0.22;
      this.bar(paper, x, y + 3, Math.min(worst[i] * scale, left + room - x), 13);
      paper.globalAlpha = 1;
      this.bar(paper, x, y + 3, Math.max(1.5, middle[i] * scale), 13);
      paper.textAlign = "right";
      paper.fillStyle = colours.ink;
      paper.fillText(this.stages[name].items.length ? milliseconds(middle[i]) : "–", left + room + 44, y + 13);
      paper.fillStyle = colours.soft;
      paper.fillText(this.stages[name].items.length ? milliseconds(worst[i]) : "", left + room + right, y + 13);
      begin += middle[i];
    });
    paper.fillStyle = colours.soft;
    paper.font = `400 11px ${colours.font}`;
    paper.textAlign = "right";
    paper.fillText("p50", left + room + 44, top - 10);
    paper.fillText("p95", left + room + right, top - 10);
  }

  tick(paper, colours, x, y, text) {
    paper.textAlign = "center";
    paper.fillStyle = colours.soft;
    paper.font = `400 11px ${colours.font}`;
    paper.fillText(text, x, y);
  }

  bar(paper, x, y, width, height) {
    if (width <= 0) return;
    paper.beginPath();
    if (paper.roundRect) paper.roundRect(x, y, width, height, Math.min(3, width / 2));
    else paper.rect(x, y, width, height);
    paper.fill();
  }

  drawFacts({ paper }, colours, facts, left, top, width, columns) {
    const cell = width / columns;
    const entries = Object.entries(facts);
    entries.forEach(([name, value], i) => {
      const x = left + (i % columns) * cell;
      const y = top + Math.floor(i / columns) * (columns === 1 ? 36 : 50);
      if (columns === 1) {
        paper.textAlign = "left";
        paper.font = `400 12px ${colours.font}`;
        paper.fillStyle = colours.soft;
        paper.fillText(name, x, y + 17);
        paper.textAlign = "right";
        paper.font = `500 13px ${colours.font}`;
        paper.fillStyle = colours.ink;
        paper.fillText(value, x + cell, y + 17);
        paper.fillStyle = colours.faint;
        if (i < entries.length - 1) paper.fillRect(x, y + 28, cell, 1);
      } else {
        paper.textAlign = "left";
        paper.font = `400 12px ${colours.font}`;
        paper.fillStyle = colours.soft;
        paper.fillText(name, x, y + 14);
        paper.font = `500 14px ${colours.font}`;
        paper.fillStyle = colours.ink;
        paper.fillText(value, x, y + 34);
      }
    });
  }

  drawChart(name, low, high, colours) {
    const sheet = this.fit(this.charts[name], 84);
    if (!sheet) return;
    const { paper, width, height } = sheet;
    const now = performance.now();
    const y = (value) => height - 8 - ((clamp(value, low, high) - low) / (high - low)) * (height - 16);
    paper.strokeStyle = colours.faint;
    paper.lineWidth = 1;
    const rest = Math.round(y(0)) + 0.5;
    paper.beginPath();
    paper.moveTo(0, rest);
    paper.lineTo(width, rest);
    paper.stroke();
    for (const who of ["user", "avatar"]) {
      paper.strokeStyle = who === "avatar" ? colours.accent : colours.user;
      paper.lineWidth = who === "avatar" ? 2.25 : 1.5;
      paper.lineJoin = "round";
      paper.beginPath();
      let before = null;
      for (const { at, value } of this.lines[name][who]) {
        const x = width - ((now - at) / CHART_MS) * width;
        if (before === null || at - before > 400) paper.moveTo(x, y(value));
        else paper.lineTo(x, y(value));
        before = at;
      }
      paper.stroke();
    }
  }
}
