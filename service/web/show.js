// What is on the page: elements made of text, never of markup, so that nothing said can become code.

export function element(name, { text, children = [], ...attributes } = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  if (text !== undefined) made.textContent = text;
  made.append(...children.filter(Boolean));
  return made;
}

// 1:02:03.4 or 2:03.4, as the command line shows it.
export function clock(ms) {
  const tenths = Math.floor(ms / 100);
  const hours = Math.floor(tenths / 36000);
  const minutes = Math.floor((tenths % 36000) / 600);
  const seconds = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

export function length(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")} min`;
}

export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

// The time the agency wrote down, with its offset: not translated to where the browser is.
export function moment(recordedAt) {
  const parts = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/.exec(recordedAt ?? "");
  return parts ? `${parts[1]} ${parts[2]}${parts[3] ? ` (UTC${parts[3] === "Z" ? "" : parts[3]})` : ""}` : recordedAt ?? "";
}

export function fileName(source) {
  return source.replace(/\/+$/, "").split("/").pop();
}

const languages = new Intl.DisplayNames(["en"], { type: "language" });

export function languageName(code) {
  try {
    return languages.of(code);
  } catch {
    return code; // a code this browser does not know is shown as it is
  }
}

const LEGS = { exact: "said exactly", words: "in these words", sounds: "sounds like it", meaning: "close in meaning" };
const NOTABLE = 0.3; // a leg that says less says nothing to a reader; every number is in the title of found or perhaps
const FLAGS = { doubtful: "doubtful – may not have been said", primed: "suggested by the vocabulary" };

export function hitCard(hit, words, playFrom) {
  const legs = Object.entries(hit.legs)
    .filter(([, score]) => score !== null && score >= NOTABLE)
    .map(([leg, score]) => element("li", { class: "leg", title: `${leg} ${score.toFixed(2)}`, text: LEGS[leg] ?? leg }));
  const perhaps = !hit.found;
  const every = Object.entries(hit.legs).map(([leg, score]) => `${leg} ${score?.toFixed(2) ?? "–"}`);
  const isFused = Object.keys(hit.adds).length > 0; // else it was asked for exactly, and was said exactly
  const verdict = isFused && element("li", {
    class: perhaps ? "verdict" : "verdict found",
    title: every.join(", "),
    text: `${perhaps ? "perhaps" : "found"} · score ${hit.score.toFixed(2)}`,
  });
  const button = element("button", {
    class: "play",
    type: "button",
    children: [element("time", { text: clock(hit.start_ms) }), ` · ${fileName(hit.source)}`],
  });
  const card = element("li", {
    class: perhaps ? "card perhaps" : "card",
    children: [
      button,
      element("p", { class: "meta", text: [moment(hit.recorded_at), hit.officer, hit.incident_id].filter(Boolean).join(" · ") }),
      element("blockquote", {
        lang: hit.language,
        children: [
          ...hit.lines_before.map(line),
          element("p", { class: "said", children: highlighted(hit) }),
          ...hit.lines_after.map(line),
        ],
      }),
      hit.translation &&
        element("p", {
          class: "translation",
          lang: "en",
          children: [element("span", { class: "meta", text: "In English, by machine: " }), ...marked(hit.translation, words)],
        }),
      element("ul", {
        class: "badges",
        "aria-label": "Why this is a hit",
        children: [
          verdict,
          ...legs,
          element("li", { text: [hit.speaker ?? "speaker unknown", hit.speaker_kind].filter(Boolean).join(" · ") }),
          element("li", { text: languageName(hit.language) }),
          ...hit.flags.map((flag) => element("li", { class: "flag", text: FLAGS[flag] ?? flag.replaceAll("_", " ") })),
          element("li", { title: hit.label, text: `machine transcript · confidence ${Math.round(100 * hit.confidence)} %` }),
        ],
      }),
      hit.angles.length > 1 && angleList(hit, (angle) => playFrom(angle.recording_id, angle.start_ms)(card)),
    ],
  });
  button.addEventListener("click", () => playFrom(hit.recording_id, hit.start_ms)(card));
  return card;
}

function line({ start_ms, speaker, speaker_kind, text }) {
  const who = [speaker ?? "speaker unknown", speaker_kind].filter(Boolean).join(" · ");
  return element("p", { class: "around", children: [element("span", { class: "who", text: `${clock(start_ms)} ${who}: ` }), text] });
}

// All cameras that heard it; each plays where it was said there.
function angleList({ angles }, play) {
  const items = angles.map((angle, number) => {
    const button = element("button", {
      class: "angle",
      type: "button",
      children: [element("time", { text: clock(angle.start_ms) }), ` · ${fileName(angle.source)}`],
    });
    button.addEventListener("click", () => play(angle));
    const offset = `${angle.offset_ms < 0 ? "−" : "+"} ${(Math.abs(angle.offset_ms) / 1000).toFixed(2)} s by ${angle.by}`;
    const about = [angle.officer, `confidence ${Math.round(100 * angle.confidence)} %`, number ? offset : "shown above"];
    return element("li", { children: [button, element("span", { class: "meta", text: ` ${about.filter(Boolean).join(" · ")}` })] });
  });
  return element("details", {
    class: "angles",
    children: [element("summary", { text: count(angles.length, "angle") }), element("ol", { children: items })],
  });
}

// Stands once in the list, before the first hit that is no find.
export function perhapsHeading() {
  return element("li", { id: "perhaps", children: [element("h2", { text: "Perhaps what was meant" })] });
}

export function understanding({ understood }) {
  if (!understood) return "As exactly these words, in this order.";
  const words = understood.words.map(({ text, worth }) => `${text} ${Math.round(100 * worth)} %`);
  return `As a ${understood.kind}: ${understood.reason}. What counts: ${words.join(", ")}.`;
}

export function recordingCard(recording, play) {
  const { recorded_at, officer, incident_id, category } = recording.metadata;
  const name = recording.sources.length ? fileName(recording.sources[0]) : recording.id.slice(0, 12);
  const open = Object.entries(recording.stages).filter(([, stage]) => stage.state !== "done");
  const button = element("button", { class: "play", type: "button", text: name });
  const card = element("li", {
    class: "card",
    children: [
      button,
      element("p", { class: "meta", text: [moment(recorded_at), officer, incident_id, category].filter(Boolean).join(" · ") }),
      element("ul", {
        class: "badges",
        children: [
          element("li", { text: length(recording.duration_ms) }),
          recording.speech_ms !== null && element("li", { text: `${length(recording.speech_ms)} of speech` }),
          recording.silent_ms > 0 && element("li", { text: `${length(recording.silent_ms)} of digital silence` }),
          recording.speakers > 0 && element("li", { text: count(recording.speakers, "speaker") }),
          ...recording.languages.map((code) => element("li", { text: languageName(code) })),
          ...open.map(([stage, { state }]) => element("li", { class: "flag", text: `${stage} ${state}` })),
        ],
      }),
    ],
  });
  button.addEventListener("click", () => play(card));
  return card;
}

export function inWords(text) {
  return text.match(/[\p{L}\p{N}]+(?:['’][\p{L}\p{N}]+)*/gu) ?? [];
}

// The words of the hit that answer; neighbours by one leg are one mark. Places count characters, where strings here
// count some as two.
function highlighted({ text, highlights }) {
  const characters = Array.from(text);
  const part = (from, to) => characters.slice(from, to).join("");
  const marks = [];
  for (const { from, to, leg } of highlights) {
    const last = marks.at(-1);
    if (from === null || (last && from < last.to)) continue;
    if (last?.leg === leg && !inWords(part(last.to, from)).length) last.to = to;
    else marks.push({ from, to, leg });
  }
  const shown = marks.flatMap(({ from, to, leg }, number) => [
    part(marks[number - 1]?.to ?? 0, from),
    element("mark", { class: leg, title: LEGS[leg], text: part(from, to) }),
  ]);
  return [...shown, part(marks.at(-1)?.to ?? 0)];
}

// The query inside a translation, of which nobody knows when each word was said: all its words, else each longer one.
function marked(text, words) {
  if (!words.length) return [text];
  const choices = [words.join("[^\\p{L}\\p{N}]+"), ...words.filter((word) => word.length > 2)].join("|");
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(new RegExp(`(?<![\\p{L}\\p{N}])(?:${choices})(?![\\p{L}\\p{N}])`, "giu"))) {
    parts.push(text.slice(end, match.index), element("mark", { text: match[0] }));
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}
