// What stands on the page: the first screen, the stage, the controls. No behaviour here beyond showing.
//
// `buildView(options, poster)` returns the root and the elements that the session needs, by name.

const STEPS_HELP = "Network passes per block: more is finer, fewer is quicker";

function buildView(options, poster) {
  const part = {};
  part.start = buildStart(part, options, poster);
  part.live = make(
    "div",
    { class: "avl-live", hidden: true },
    buildBar(part),
    make("div", { class: "avl-desk" }, buildStage(part), buildControls(part, options)),
    buildGlass(part),
    buildFoot(part),
  );
  part.root = make("div", { class: "avl", role: "region", "aria-label": "Live avatar" }, part.start, part.live);
  return part;
}

function buildStart(part, options, poster) {
  const place = whereAmI();
  const why = { ...options.users };
  why.camera = whyNoCamera(place) || why.camera;
  const choice = (name, symbol, title, about) => {
    const off = Boolean(why[name]);
    const note = off ? why[name] : about;
    const button = make(
      "button",
      { type: "button", class: `avl-choice${name === "camera" ? " avl-first" : ""}`, disabled: off, "data-user": name },
      icon(symbol),
      make("span", { class: "avl-choice-text" }, make("strong", {}, title), make("span", {}, note)),
    );
    part[name] = button;
    return button;
  };
  part.microphone = make("input", { type: "checkbox", checked: true });
  part.echo = make("input", { type: "checkbox", checked: true });
  part.file_input = make("input", { type: "file", accept: "video/*,audio/*", class: "avl-hidden", tabindex: "-1", "aria-hidden": "true" });
  part.problem = make("p", { class: "avl-problem", role: "alert", hidden: true });
  part.waiting = make("p", { class: "avl-waiting", role: "status", hidden: true });
  const picture = make("div", { class: "avl-poster" }, poster, badge());
  return make(
    "div",
    { class: "avl-start" },
    make(
      "div",
      { class: "avl-pitch" },
      make("h2", {}, "Talk to it"),
      make(
        "p",
        { class: "avl-lead" },
        "It sees your face as eighteen numbers, hears your voice, and answers with its own face while you speak.",
      ),
      part.problem,
      part.waiting,
      (part.choices = make(
        "div",
        { class: "avl-choices", role: "group", "aria-label": "Who talks to the avatar" },
        choice("camera", "camera", "Use my camera", "You and the avatar, face to face"),
        choice("sample", "film", "Recorded user", "It comes with the package"),
        choice("synthetic", "person", "Synthetic user", "A simulated person in conversation"),
        choice("file", "file", "Open a file", "A video of one person, up to a minute"),
      )),
      make(
        "div",
        { class: "avl-options" },
        make("label", {}, part.microphone, "Microphone"),
        make("label", { title: "Keeps the avatar's own voice out of your microphone; without headphones leave it on" }, part.echo, "Echo cancellation"),
      ),
      part.file_input,
      make(
        "p",
        { class: "avl-consent" },
        "Your camera and microphone go to the kernel you started, on this machine; nothing is stored. " +
          "The avatar is a computer program.",
      ),
    ),
    picture,
  );
}

function badge() {
  return make("span", { class: "avl-badge", title: "Made by a computer" }, "AI");
}

function tool(part, name, symbol, text, extra = {}) {
  part[name] = make("button", { type: "button", class: "avl-tool", ...extra }, icon(symbol), make("span", {}, text));
  return part[name];
}

function buildBar(part) {
  part.dot = make("span", { class: "avl-dot", "aria-hidden": "true" });
  part.status = make("span", { class: "avl-status", role: "status", "aria-live": "polite" }, "Starting");
  return make(
    "div",
    { class: "avl-bar" },
    make("div", { class: "avl-state" }, part.dot, part.status),
    make(
      "div",
      { class: "avl-tools", role: "group", "aria-label": "Session" },
      tool(part, "mute", "sound", "Mute", { "aria-pressed": "false" }),
      tool(part, "record", "record", "Record", { "aria-pressed": "false", class: "avl-tool avl-record" }),
      tool(part, "stop", "stop", "Stop"),
    ),
  );
}

function buildStage(part) {
  part.video = make("video", { class: "avl-video", muted: true, playsinline: true, "aria-label": "Your camera" });
  part.video.muted = true;
  part.twin = make("canvas", { class: "avl-picture", width: 256, height: 256, role: "img", "aria-label": "Drawn twin of the user" });
  part.avatar = make("canvas", { class: "avl-picture", width: 256, height: 256, role: "img", "aria-label": "The avatar" });
  part.show_camera = make("button", { type: "button", class: "avl-chip avl-show", "aria-pressed": "false", hidden: true }, "Show camera");
  part.twin_note = make("span", { class: "avl-over avl-note", hidden: true }, "No face in the picture");
  part.turn = make("span", { class: "avl-over avl-turn" }, "listening");
  part.quality = make("span", { class: "avl-over avl-quality", hidden: true });
  part.say = make("input", { type: "text", class: "avl-text", "aria-label": "What the avatar says", autocomplete: "off", maxlength: "300" });
  part.say_go = make("button", { type: "submit", class: "avl-go", "aria-label": "Say it" }, icon("send"));
  part.wav = make("button", { type: "button", class: "avl-plain", title: "Let the avatar speak a sound file" }, icon("wave"), make("span", {}, "Sound file"));
  part.wav_input = make("input", { type: "file", accept: "audio/*,.wav", class: "avl-hidden", tabindex: "-1", "aria-hidden": "true" });
  part.notice = make("p", { class: "avl-message", role: "status", "aria-live": "polite" });
  part.say_form = make("form", { class: "avl-say" }, part.say, part.say_go, part.wav, part.wav_input);
  return make(
    "div",
    { class: "avl-stage" },
    make(
      "figure",
      { class: "avl-figure" },
      make("figcaption", {}, "What the avatar sees"),
      make("div", { class: "avl-frame" }, part.twin, part.video, part.twin_note, part.show_camera),
    ),
    make(
      "figure",
      { class: "avl-figure" },
      make("figcaption", {}, "The avatar"),
      make("div", { class: "avl-frame" }, part.avatar, badge(), part.turn, part.quality),
    ),
    part.say_form,
    part.notice,
  );
}

function slider(part, name, label, low, high, step, value, ends, help) {
  const input = make("input", { type: "range", min: low, max: high, step, value, "aria-label": label, title: help });
  const number = make("output", { class: "avl-number" }, ends ? "" : String(value));
  part[name] = input;
  part[`${name}_out`] = number;
  const head = make("span", { class: "avl-label" }, make("span", {}, label), number);
  const foot = ends ? make("span", { class: "avl-ends", "aria-hidden": "true" }, make("span", {}, ends[0]), make("span", {}, ends[1])) : null;
  return make("label", { class: "avl-field" }, head, input, foot);
}

function buildControls(part, options) {
  const v = options.values;
  const r = options.ranges;
  part.before = make("button", { type: "button", class: "avl-round", "aria-label": "Previous character" }, icon("back"));
  part.after = make("button", { type: "button", class: "avl-round", "aria-label": "Next character" }, icon("next"));
  part.character = make("span", { class: "avl-who", "aria-live": "polite" }, `Character ${v.character}`);
  part.portrait = make("button", { type: "button", class: "avl-plain avl-wide", disabled: Boolean(options.no_portrait), title: options.no_portrait || "" }, "Use a portrait …");
  part.portrait_input = make("input", { type: "file", accept: "image/*", class: "avl-hidden", tabindex: "-1", "aria-hidden": "true" });
  part.portrait_yes = make("button", { type: "button", class: "avl-plain avl-strong" }, "I may use it");
  part.portrait_no = make("button", { type: "button", class: "avl-plain" }, "Cancel");
  part.portrait_ask = make(
    "div",
    { class: "avl-ask", role: "alertdialog", "aria-label": "Permission to use the portrait", hidden: true },
    make("p", {}, "Does the person in this picture allow you to make them move and speak?"),
    make("div", { class: "avl-row" }, part.portrait_yes, part.portrait_no),
  );
  part.gaze_to_camera = make("input", { type: "checkbox", role: "switch", class: "avl-switch", checked: v.gaze_to_camera });
  return make(
    "div",
    { class: "avl-controls", role: "group", "aria-label": "Avatar" },
    make("div", { class: "avl-field" }, make("div", { class: "avl-chooser" }, part.before, part.character, part.after), part.portrait, part.portrait_input, part.portrait_ask),
    slider(part, "liveliness", "Liveliness", 0, 1, 0.05, v.liveliness, ["still", "lively"]),
    make("label", { class: "avl-switch-row" }, make("span", {}, "Looks at you"), part.gaze_to_camera),
    buildAdvanced(part, options, v, r),
  );
}

function buildAdvanced(part, options, v, r) {
  part.seed = make("input", { type: "number", class: "avl-text avl-short", min: 0, max: 99999, step: 1, value: v.seed });
  part.schedule = make("select", { class: "avl-text avl-short" });
  for (const name of options.schedules) part.schedule.append(make("option", { value: name, selected: name === v.schedule }, name));
  const row = (label, input, help) => make("label", { class: "avl-pair", title: help }, make("span", {}, label), input);
  const fields = [
    slider(part, "nfe", "Steps", r.nfe[0], r.nfe[1], 1, v.nfe, null, STEPS_HELP),
    slider(part, "guidance_audio", "Guidance: own voice", r.guidance[0], r.guidance[1], 0.25, v.guidance_audio),
    slider(part, "guidance_user", "Guidance: the user", r.guidance[0], r.guidance[1], 0.25, v.guidance_user),
    row("Seed", part.seed, "Same seed, same input, same motion"),
    row("Schedule", part.schedule, "block: a block at a time; pyramid: frame by frame, quicker to answer"),
  ];
  for (const name of ["guidance_audio", "guidance_user"]) {
    part[name].disabled = Boolean(options.fixed_guidance);
    if (options.fixed_guidance) part[name].title = options.fixed_guidance;
  }
  part.fold = make("details", { class: "avl-fold" }, make("summary", {}, "More controls"), make("div", { class: "avl-fields" }, ...fields));
  return part.fold;
}

function buildGlass(part) {
  part.glass = make("canvas", { class: "avl-canvas", role: "img", "aria-label": "Where the time goes" });
  part.smile = make("canvas", { class: "avl-canvas", role: "img", "aria-label": "Smile of user and avatar, last ten seconds" });
  part.nod = make("canvas", { class: "avl-canvas", role: "img", "aria-label": "Nod of user and avatar, last ten seconds" });
  const chart = (title, canvas) => make("div", { class: "avl-chart" }, make("h4", {}, title), canvas);
  const key = make(
    "div",
    { class: "avl-key", "aria-hidden": "true" },
    make("span", { class: "avl-key-user" }, "you"),
    make("span", { class: "avl-key-avatar" }, "avatar"),
  );
  part.key_user = key.firstChild;
  return make(
    "div",
    { class: "avl-glass" },
    make("div", { class: "avl-card" }, make("h3", {}, "Where the time goes"), part.glass),
    make("div", { class: "avl-card" }, make("h3", {}, "Who moves whom", key), make("div", { class: "avl-charts" }, chart("Smile", part.smile), chart("Nod", part.nod))),
  );
}

function buildFoot(part) {
  part.bytes = make("span", {}, "0 kB to your kernel");
  part.stored = make("span", {}, "nothing stored");
  return make("div", { class: "avl-foot" }, make("span", { class: "avl-bytes" }, part.bytes, " · ", part.stored));
}
