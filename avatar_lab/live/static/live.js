// The widget: one view of `LiveAvatar`. It shows the first screen, runs at most one session, and cleans up.
//
// `render` returns what must happen when the view goes (cell run again, output cleared, notebook closed). A test
// or a bench reads `root.liveAvatar.report()`.

const CHARTS_MS = 150;
const CHARTS_LATE_MS = 400;

class LiveView {
  constructor(model, host) {
    this.model = model;
    this.host = host;
    this.options = model.get("_options");
    this.life = new AbortController();
    const { signal } = this.life;
    const poster = this.poster();
    this.part = buildView(this.options, poster);
    const { part } = this;
    this.glass = new Glass(part.root, part.glass, { smile: part.smile, nod: part.nod });
    host.append(part.root);
    part.root.dataset.lmSuppressShortcuts = "true"; // Space and Enter belong to our buttons
    part.root.liveAvatar = this;
    const on = (element, event, action) => element.addEventListener(event, action, { signal });
    for (const user of ["camera", "sample", "synthetic"]) on(part[user], "click", () => this.start(user));
    on(part.file, "click", () => part.file_input.click());
    on(part.file_input, "change", () => this.startFile());
    on(part.stop, "click", () => this.stop());
    on(part.mute, "click", () => this.mute());
    on(part.record, "click", () => this.record());
    on(part.show_camera, "click", () => this.showCamera(!this.camera_shown));
    on(document, "visibilitychange", () => this.visible());
    on(globalThis, "pagehide", () => this.stop());
    const send = (message, buffers) => this.session && this.session.send(message, buffers);
    wireControls(part, this.options, send, signal, (text, level) => this.message(text, level));
    part.say.placeholder = this.options.say_hint;
    this.started = 0;
    model.send({ type: "hello", session: "", ...whereAmI() });
  }

  poster() {
    const bytes = this.model.get("_poster");
    const image = make("img", { class: "avl-picture", alt: "A drawn character: the avatar", width: 256, height: 256 });
    if (bytes && bytes.byteLength) {
      this.address = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
      image.src = this.address;
    }
    return image;
  }

  startFile() {
    const { part } = this;
    const file = part.file_input.files[0];
    part.file_input.value = "";
    if (!file) return;
    if (file.size > 64e6) this.problem("That file is larger than 64 MB. A minute of video is enough: cut it first.");
    else this.start("file", file);
  }

  start(user, file = null) {
    if (this.session) return;
    const { part } = this;
    this.problem("");
    this.started += 1;
    this.waiting(user === "camera" ? "Waiting for your camera …" : "Waking the avatar …");
    this.glass.clear();
    this.last = "";
    this.session = new LiveSession(this.model, part, this.glass, user, {
      running: (content) => this.running(content),
      ended: (text, level) => this.ended(text, level),
      message: (text, level) => this.message(text, level),
      block: (content) => this.block(content),
    });
    this.session.open(part.microphone.checked, part.echo.checked, file);
  }

  running() {
    const { part } = this;
    const camera = this.session.user === "camera";
    part.start.hidden = true;
    part.live.hidden = false;
    part.show_camera.hidden = !camera;
    part.key_user.textContent = camera ? "you" : "user";
    this.showCamera(false);
    part.message_until = 0;
    this.waiting("");
    this.drawer = setInterval(() => this.drawGlass(), CHARTS_MS);
    this.status();
    part.stop.focus({ preventScroll: true });
  }

  ended(text, level) {
    const { part } = this;
    const was_live = !part.live.hidden;
    clearInterval(this.drawer);
    clearInterval(this.telling);
    this.last_report = this.report();
    this.session = null;
    part.live.hidden = true;
    part.start.hidden = false;
    part.record.setAttribute("aria-pressed", "false");
    part.mute.setAttribute("aria-pressed", "false");
    this.waiting("");
    this.problem(text, level);
    if (level === "denied") part.sample.classList.add("avl-first");
    if (was_live && this.host.isConnected) (level === "error" ? part.sample : part.camera).focus({ preventScroll: true });
  }

  stop() {
    if (this.session) this.session.stop();
  }

  waiting(text) {
    const { part } = this;
    part.waiting.hidden = !text;
    part.waiting.textContent = text;
    part.choices.classList.toggle("avl-busy", Boolean(text));
    for (const button of part.choices.children) button.setAttribute("aria-disabled", text ? "true" : "false");
  }

  problem(text, level = "error") {
    const { part } = this;
    const denied = level === "denied";
    part.problem.hidden = !text;
    part.problem.className = `avl-problem avl-${level === "info" ? "info" : "error"}`;
    part.problem.textContent = denied ? `${text} Or go on with the recorded user.` : text;
  }

  message(text, level) {
    const { part } = this;
    if (!part.start.hidden) {
      if (this.session && this.session.state === "starting") this.waiting(text);
      else this.problem(text, level);
    }
    part.notice.textContent = text;
    part.notice.dataset.level = level || "info";
    clearTimeout(this.forget);
    this.forget = setTimeout(() => (part.notice.textContent = ""), 12000);
  }

  block(content) {
    const { part } = this;
    part.turn.textContent = content.turn || "listening";
    part.turn.dataset.turn = content.turn || "listening";
    const full = !content.quality || content.quality === "full";
    part.quality.hidden = full;
    if (!full) part.quality.textContent = content.quality;
  }

  status() {
    const { part, session } = this;
    if (!session) return;
    let text = { camera: "Live with your camera", sample: "Live with the recorded user", synthetic: "Live with a synthetic user", file: "Live with your file" }[session.user];
    if (session.state === "paused") text = "Paused while this tab is hidden";
    else if (session.player.starved && session.player.counts.blocks) text = "Waiting for the kernel";
    part.dot.dataset.state = text.startsWith("Live") ? "live" : "wait";
    if (part.status.textContent !== text) part.status.textContent = text;
  }

  facts() {
    const { session } = this;
    const { player } = session;
    const offset = player.offset.fresh().slice(-200).map((item) => item.value);
    const av = quantile(offset, 0.5);
    const dropped = session.counts.lost + player.counts.late;
    const all = player.counts.frames + player.counts.late + session.counts.ticks;
    return {
      "A/V offset": Number.isFinite(av) ? `${av > 0 ? "+" : av < 0 ? "−" : ""}${Math.abs(Math.round(av))} ms` : "–",
      Pictures: `${player.fps().toFixed(0)} a second`,
      Buffer: `${milliseconds(player.buffered())} ms`,
      Dropped: `${dropped} (${all ? Math.round((100 * dropped) / all) : 0} %)`,
      Steps: session.player.face ? String(session.player.face.block.message.nfe ?? "–") : "–",
      Turn: session.turn,
    };
  }

  drawGlass() {
    const { part, session } = this;
    const now = performance.now();
    const late = !part.quality.hidden; // then the charts can wait, the avatar cannot
    if (!session || now - (this.charted || 0) < (late ? CHARTS_LATE_MS : 0)) return;
    this.charted = now;
    this.status();
    part.bytes.textContent = `${bytesText(session.sent)} to your kernel, on this machine`;
    part.stored.textContent = part.record.getAttribute("aria-pressed") === "true" ? "recording" : "nothing stored";
    const facts = this.facts();
    this.glass.draw(facts);
    if (now - (this.told || 0) > 3000) {
      this.told = now;
      const list = Object.entries(facts).map(([name, value]) => `${name} ${value}`).join(", ");
      part.glass.setAttribute("aria-label", `Path latency ${milliseconds(this.glass.path.at(0.5))} ms, ${list}`);
    }
  }

  mute() {
    const { part } = this;
    const on = part.mute.getAttribute("aria-pressed") !== "true";
    part.mute.setAttribute("aria-pressed", String(on));
    part.mute.replaceChildren(icon(on ? "muted" : "sound"), make("span", {}, on ? "Muted" : "Mute"));
    if (this.session) this.session.mute(on);
  }

  record() {
    const { part } = this;
    const on = part.record.getAttribute("aria-pressed") !== "true";
    part.record.setAttribute("aria-pressed", String(on));
    part.record.lastChild.textContent = on ? "Recording" : "Record";
    if (this.session) this.session.send({ type: "record", on });
  }

  showCamera(on) {
    const { part } = this;
    this.camera_shown = on;
    part.video.classList.toggle("avl-shown", on);
    part.show_camera.setAttribute("aria-pressed", String(on));
    part.show_camera.textContent = on ? "Hide camera" : "Show camera";
  }

  visible() {
    if (!this.session) return;
    this.session.visible(!document.hidden);
    this.status();
  }

  /** Everything that tests and benches want to know. */
  report() {
    const { session, glass } = this;
    if (!session) return this.last_report || { state: "idle" };
    const { player } = session;
    const spread = (recent) => ({ p50: recent.at(0.5), p95: recent.at(0.95), p99: recent.at(0.99), n: recent.items.length });
    const offsets = player.offset.values();
    return {
      state: session.state,
      user: session.user,
      seconds: session.began ? (performance.now() - session.began) / 1000 : 0,
      counts: { ...session.counts, ...player.counts },
      in_flight: { ticks: session.ticks.size, wants: player.wanted.size, queue: player.queue.length },
      buffered: player.buffered(),
      lead: player.lead(),
      fps: player.fps(),
      path: spread(glass.path),
      path_all: spread(glass.all),
      stages: Object.fromEntries(Object.entries(glass.stages).map(([name, recent]) => [name, spread(recent)])),
      offset: { low: quantile(offsets, 0.01), p50: quantile(offsets, 0.5), high: quantile(offsets, 0.99), n: offsets.length },
      turn: session.turn,
      sent: session.sent,
      sounding: player.clock.sounding,
      kernel: session.kernel || null,
    };
  }

  close() {
    this.stop();
    this.life.abort();
    clearInterval(this.drawer);
    clearTimeout(this.forget);
    if (this.address) URL.revokeObjectURL(this.address);
    this.part.root.remove();
  }
}

export default {
  render({ model, el }) {
    const view = new LiveView(model, el);
    return () => view.close();
  },
};
