// One conversation as the page sees it: ticks up, blocks down, and the end of it all.
//
// Every message of a session carries its id; answers to another session are not ours. Pictures go up on credit
// (three in flight), blocks come down on request. Whatever ends the session - Stop, a reload, a kernel that fell
// silent, a tab long hidden - passes through `stop`, which lets go of camera, microphone, timers and sound.

const LOOKING = 0.4; // of a core
const LOOK_MOST_MS = 120;
const DRAWN_MS = 150; // the kernel's statistics need not hear of every picture

class LiveSession {
  constructor(model, part, glass, user, on) {
    this.model = model;
    this.part = part;
    this.glass = glass;
    this.user = user;
    this.on = on; // {ended(text, level), message(text, level), running()}
    this.id = newId();
    this.state = "starting";
    this.ticks = new Map(); // seq -> {captured, sent, capture}
    this.path = []; // captures that no shown picture depends on yet
    this.seen = null;
    this.looked = new Recent(4000); // ms that the tracker took
    this.look_again = 0;
    this.drawn_at = 0;
    this.seq = 0;
    this.sent = 0;
    this.counts = { ticks: 0, seen: 0, lost: 0, blocks: 0, refused: 0, most_ticks: 0, most_wants: 0 };
    this.camera = null;
    this.microphone = null;
    this.heard_from = performance.now();
    this.turn = "listening";
    this.player = new Player(
      part.avatar,
      (seq, buffered) => this.want(seq, buffered),
      (block, at) => this.drawn(block, at),
    );
    this.receive = (content, buffers) => this.hear(content, buffers || []);
    model.on("msg:custom", this.receive);
    this.timers = [setInterval(() => this.watch(), 500)];
  }

  send(message, buffers = []) {
    for (const buffer of buffers) this.sent += buffer.byteLength;
    try {
      this.model.send({ ...message, session: this.id }, undefined, buffers);
    } catch (error) {
      this.stop("The connection to the kernel is gone. Run the cell again.", "error");
    }
  }

  /** Open camera and microphone, then ask the kernel to begin. */
  async open(microphone, echo, file) {
    const buffers = file ? [await file.arrayBuffer()] : [];
    if (this.user === "camera") {
      this.asking = true; // people take their time to allow a camera
      try {
        this.camera = new Camera(this.part.video);
        await this.camera.open();
      } catch (error) {
        const { reason, text } = explainMedia(error, "camera");
        this.send({ type: "denied", what: "camera", reason });
        return this.stop(text, "denied");
      }
      if (microphone) await this.openMicrophone(echo);
      this.asking = false;
      this.heard_from = performance.now();
    }
    if (this.state === "ended") return this.letGo();
    this.watchTracks();
    const start = { type: "start", user: this.user, microphone: Boolean(this.microphone), now: performance.now() };
    return this.send(file ? { ...start, name: file.name } : start, buffers);
  }

  async openMicrophone(echo) {
    const microphone = new Microphone();
    this.microphone = microphone;
    try {
      await microphone.open(echo);
    } catch (error) {
      const { reason, text } = explainMedia(error, "microphone");
      microphone.close();
      this.microphone = null;
      this.send({ type: "denied", what: "microphone", reason });
      this.on.message(`${text} The avatar sees you but does not hear you.`, "warning");
    }
  }

  watchTracks() {
    if (!this.camera || !this.camera.stream) return;
    for (const track of this.camera.stream.getTracks()) {
      track.onended = () => this.stop("The camera was taken away. Start again when it is back.", "error");
    }
  }

  /** A message from the kernel. */
  hear(content, buffers) {
    if (content.session !== this.id || this.state === "ended") return;
    this.heard_from = performance.now();
    const act = {
      ready: () => this.ready(content),
      refused: () => this.stop([content.reason, content.advice].filter(Boolean).join(" "), "error"),
      ended: () => this.stop(content.reason, "info"),
      seen: () => this.sawTick(content, buffers),
      lost: () => {
        this.ticks.delete(content.seq);
        this.counts.lost += 1;
      },
      block: () => this.block(content, buffers),
      pictures: () => this.player.more(content, buffers),
      cut: () => this.player.cut(),
      user_sound: () => this.userSound(content, buffers),
      notice: () => this.on.message(content.text, content.level),
      stats: () => (this.kernel = content),
      saved: () => this.on.message(`Saved ${content.path}`, "info"),
    }[content.type];
    if (act) act();
  }

  async ready(content) {
    if (this.state !== "starting") return;
    this.state = "running";
    for (const notice of content.notices || []) this.on.message(notice, "info");
    await this.player.start(content.block_ms);
    if (this.state !== "running") return;
    if (!this.player.clock.sounding) this.on.message("No sound output was found; the avatar moves without voice.", "warning");
    this.block_ms = content.block_ms;
    this.on.running(content);
    this.began = performance.now();
    this.timers.push(setInterval(() => this.tick(), FRAME_MS));
  }

  /** Up to 25 times a second: one picture and the sound since the last, when a credit is free. */
  async tick() {
    if (this.state !== "running" || this.grabbing) return;
    const now = performance.now();
    if (now < this.look_again) return;
    for (const [seq, tick] of this.ticks) if (now - tick.sent > 4000) this.ticks.delete(seq);
    if (this.ticks.size >= TICKS_IN_FLIGHT) {
      this.counts.refused += 1;
      return;
    }
    let picture = null;
    if (this.camera) {
      this.grabbing = true;
      try {
        picture = await this.camera.grab();
      } catch (error) {
        picture = null; // the camera ends between two pictures
      }
      this.grabbing = false;
      if (this.state !== "running" || !picture) return;
    }
    const sound = this.microphone ? this.microphone.take() : new Int16Array(0);
    const has = [];
    const buffers = [];
    if (picture) {
      has.push("picture");
      buffers.push(picture.jpeg);
    }
    if (sound.length) {
      has.push("sound");
      buffers.push(sound.buffer);
    }
    this.sendTick(picture ? picture.captured : now, sound.length, has, buffers);
  }

  /** Milliseconds between two looks at the user: looking may take a part of a core, and leaves the rest to the answer. */
  pace() {
    const usual = this.looked.at(0.5);
    return clamp(Number.isFinite(usual) ? usual / LOOKING : 0, FRAME_MS, LOOK_MOST_MS) - FRAME_MS / 2;
  }

  sendTick(captured, samples, has, buffers) {
    const sent = performance.now();
    const seq = this.seq;
    this.seq += 1;
    this.ticks.set(seq, { captured, sent, capture: sent - captured });
    this.look_again = sent + this.pace();
    this.counts.most_ticks = Math.max(this.counts.most_ticks, this.ticks.size);
    this.counts.ticks += 1;
    this.path.push(captured);
    if (this.path.length > 300) this.path.shift();
    const size = buffers.reduce((all, buffer) => all + buffer.byteLength, 0);
    this.send({ type: "tick", seq, captured, samples, has, sent_bytes: this.sent + size }, buffers);
  }

  want(seq, buffered) {
    this.counts.most_wants = Math.max(this.counts.most_wants, this.player.wanted.size);
    this.send({ type: "want", seq, buffered_ms: buffered, now: performance.now() });
  }

  async sawTick(content, buffers) {
    const tick = this.ticks.get(content.seq);
    this.ticks.delete(content.seq);
    this.counts.seen += 1;
    const now = performance.now();
    if (tick) {
      const t = content.timing || {};
      const track = (t.decode_ms || 0) + (t.track_ms || 0);
      const kernel = track + (t.draw_ms || 0) + (t.wait_ms || 0);
      const road = Math.max(0, (now - tick.sent - kernel) / 2);
      this.seen = { capture: tick.capture, uplink: road, track };
      this.looked.push(track, now);
    }
    this.part.twin_note.hidden = content.found !== false;
    if (content.found !== false) this.glass.point("user", content.face, content.captured);
    if (!buffers.length || !buffers[0].byteLength) return;
    const bitmap = await createImageBitmap(new Blob([buffers[0]], { type: "image/jpeg" })).catch(() => null);
    if (!bitmap) return;
    const { twin } = this.part;
    if (this.state === "running") {
      if (twin.width !== bitmap.width) {
        twin.width = bitmap.width;
        twin.height = bitmap.height;
      }
      twin.getContext("2d").drawImage(bitmap, 0, 0);
    }
    bitmap.close();
  }

  block(content, buffers) {
    if (this.state !== "running") return;
    this.counts.blocks += 1;
    const pictures = buffers.slice(0, content.pictures);
    const last = buffers[content.pictures];
    const sound = last && last.byteLength
      ? new Int16Array(last.buffer.slice(last.byteOffset, last.byteOffset + last.byteLength))
      : null;
    this.player.take(content, pictures, sound);
    if (content.turn) this.turn = content.turn;
    this.on.block(content);
  }

  /** The first picture of a block is on the screen: how old is the newest thing it could depend on? */
  drawn({ message, arrived }, at) {
    if (at - this.drawn_at >= DRAWN_MS) {
      this.drawn_at = at;
      this.send({ type: "drawn", seq: message.seq, captured: message.captured, drawn: at });
    }
    const face = message.face;
    for (let i = 0; face && i < message.frames; i += 1) {
      this.glass.point("avatar", { smile: face.smile[i], nod: face.nod[i] }, at + i * FRAME_MS);
    }
    if (!Number.isFinite(message.captured) || message.captured <= 0) return;
    let newest = null;
    while (this.path.length && this.path[0] <= message.captured + 0.5) {
      newest = this.path.shift();
      this.glass.addPath(at - newest);
    }
    if (newest !== null) this.glass.add(splitPath(at - message.captured, this.seen, message, arrived, at));
  }

  /** The voice of a recorded or simulated user, played beside the avatar's. */
  userSound(content, buffers) {
    const { clock } = this.player;
    const play = () => {
      if (!clock.sounding || this.state !== "running") return;
      const pcm = new Int16Array(buffers[0].buffer.slice(buffers[0].byteOffset, buffers[0].byteOffset + buffers[0].byteLength));
      if (!pcm.length) return;
      const buffer = clock.context.createBuffer(1, pcm.length, VOICE_RATE);
      buffer.getChannelData(0).set(Float32Array.from(pcm, (value) => value / 32768));
      const source = clock.context.createBufferSource();
      this.user_gain = clock.context.createGain();
      this.user_gain.gain.value = this.player.quiet ? 0 : 0.7;
      source.buffer = buffer;
      source.loop = true;
      source.connect(this.user_gain).connect(clock.context.destination);
      const late = Math.max(0, performance.now() - content.begin) / 1000;
      source.start(0, late % (pcm.length / VOICE_RATE));
    };
    play();
  }

  mute(on) {
    this.player.mute(on);
    if (this.user_gain && this.player.clock.sounding) this.user_gain.gain.value = on ? 0 : 0.7;
    this.send({ type: "set", name: "mute", value: on });
  }

  watch() {
    if (this.state === "ended" || this.asking) return;
    const now = performance.now();
    if (document.hidden) {
      this.hidden_since = this.hidden_since || now;
      if (now - this.hidden_since > HIDDEN_MS) this.stop("Stopped: this tab was hidden for a minute.", "info");
      else this.send({ type: "tick", seq: -1, captured: now, samples: 0, has: [], sent_bytes: this.sent });
      this.heard_from = now;
      return;
    }
    this.hidden_since = 0;
    // While the kernel wakes the avatar it has nothing to say: a tick without a picture asks whether it is alive.
    if (this.state === "starting") this.send({ type: "tick", seq: -1, captured: now, samples: 0, has: [], sent_bytes: this.sent });
    const silent = now - this.heard_from;
    if (silent > WATCHDOG_MS) {
      this.stop("The kernel has not answered for six seconds, so camera and microphone were switched off. Start again when it is back.", "error");
    }
  }

  /** A hidden tab sends no pictures and asks for no blocks: browsers slow its timers to a crawl. */
  visible(shown) {
    this.player.paused = !shown;
    if (this.state === "ended") return;
    if (this.camera && this.camera.stream) for (const track of this.camera.stream.getTracks()) track.enabled = shown;
    if (this.microphone && !shown) this.microphone.take();
    this.heard_from = performance.now();
    if (this.state === "running") this.state = shown ? "running" : "paused";
    else if (this.state === "paused" && shown) {
      this.state = "running";
      this.path = [];
      this.ticks.clear();
    }
  }

  letGo() {
    if (this.camera) this.camera.close();
    if (this.microphone) this.microphone.close();
  }

  stop(text = "", level = "info") {
    if (this.state === "ended") return;
    this.state = "ended";
    for (const timer of this.timers) clearInterval(timer);
    this.letGo();
    this.player.stop();
    this.model.off("msg:custom", this.receive);
    try {
      this.model.send({ type: "stop", session: this.id });
    } catch (error) {
      // the kernel is gone, which is as good as stopped
    }
    this.on.ended(text, level);
  }
}
