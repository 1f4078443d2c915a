// The page: the query and the moment that plays are in its address, so that a link says both.

import { answer, play } from "./player.js";
import { count, hitCard, inWords, length, perhapsHeading, recordingCard, understanding } from "./show.js";

const $ = (id) => document.getElementById(id);
const SHOWN = 20;
const PAGE = 50;
const PAGED = 10_000; // hits that can be paged; search/query.py has the same
let asked = 0; // an answer that comes after a later question is thrown away

function address() {
  const parameters = new URLSearchParams(location.search);
  return {
    q: parameters.get("q")?.trim() ?? "",
    doubtful: parameters.get("doubtful") === "true",
    recording: parameters.get("recording"),
    at: Number(parameters.get("at") ?? 0),
  };
}

function go(changes) {
  const { q, doubtful, recording, at } = { ...address(), ...changes };
  const parameters = new URLSearchParams();
  if (q) parameters.set("q", q);
  if (doubtful) parameters.set("doubtful", "true");
  if (recording) parameters.set("recording", recording);
  if (recording) parameters.set("at", String(at));
  history.pushState(null, "", `/?${parameters}`);
}

function playFrom(recordingId, startMs) {
  return (card) => {
    for (const other of document.querySelectorAll(".card[aria-current]")) other.removeAttribute("aria-current");
    card.setAttribute("aria-current", "true");
    go({ recording: recordingId, at: startMs });
    play(recordingId, startMs);
  };
}

async function show() {
  const { q, doubtful, recording, at } = address();
  $("q").value = q;
  $("doubtful").checked = doubtful;
  document.title = q ? `${q} · earwitness` : "earwitness";
  const listed = q ? find(q, doubtful, 0) : list(0);
  if (recording) play(recording, at);
  await listed;
}

async function asking(words, question, found) {
  const mine = ++asked;
  $("status").textContent = words;
  $("more").hidden = true;
  $("download").hidden = true;
  $("understood").hidden = true;
  try {
    const body = await answer(await fetch(question));
    if (mine === asked) found(body);
  } catch (error) {
    if (mine !== asked) return;
    $("list").replaceChildren();
    $("status").textContent = `That did not work: ${error.message}`;
  }
}

function find(q, doubtful, offset) {
  const question = new URLSearchParams({ q, doubtful, limit: SHOWN, offset });
  return asking("Searching…", `/api/v1/search?${question}`, (found) => {
    const words = inWords(q);
    const cards = found.hits.map((hit) => hitCard(hit, words, playFrom(hit.recording_id, hit.start_ms)));
    add(cards, offset);
    document.querySelector("#list .card.perhaps")?.before($("perhaps") ?? perhapsHeading());
    $("status").replaceChildren(...summary(found));
    $("understood").hidden = false;
    $("understood").querySelector("p").textContent = understanding(found);
    $("download").hidden = !(found.exact && found.total);
    $("download").href = `/api/v1/search/export?${new URLSearchParams({ q, doubtful, format: "csv" })}`;
    const next = offset + SHOWN;
    more(next < found.total && next + SHOWN <= PAGED, () => find(q, doubtful, next));
  });
}

function summary({ offset, hits, total, exact, total_is_exact, left_out, searched, degraded }) {
  const shown = offset + hits.length;
  const heading = document.createElement("strong");
  const sure = document.querySelector("#list .card:not(.perhaps)");
  const inAll = `${exact && !total_is_exact ? "At least " : ""}${count(total, "hit")}`;
  heading.textContent = !shown ? "Nothing found" : sure ? inAll : `Nothing found for sure; ${count(total, "hit")} perhaps`;
  const part = shown < total ? `, ${shown} shown,` : "";
  const speech = length(searched.speech_seconds * 1000);
  const silent = searched.silent_seconds ? ` ${length(searched.silent_seconds * 1000)} were digitally silent.` : "";
  const heard = searched.awaiting_index ? ` (${searched.awaiting_index} heard, but not yet in the index)` : "";
  const waiting = searched.not_processed ? ` ${count(searched.not_processed, "recording is", "recordings are")} not processed yet${heard}.` : "";
  const leftOut = left_out ? ` ${exact ? `${count(left_out, "place")} with doubtful words` : count(left_out, "doubtful passage")} left out.` : "";
  const doubt = shown ? "" : " That does not mean nobody said it: machines mishear. Try other words, or leave the quotes out.";
  const missing = degraded.map((reason) => ` Not asked: ${reason}.`).join("");
  return [heading, `${part} in ${count(searched.recordings, "recording")} with ${speech} of speech.${silent}${waiting}${leftOut}${doubt}${missing}`];
}

function list(offset) {
  return asking("Listing the recordings…", `/api/v1/recordings?${new URLSearchParams({ limit: PAGE, offset })}`, (page) => {
    const cards = page.recordings.map((recording) => recordingCard(recording, playFrom(recording.id, 0)));
    add(cards, offset);
    $("status").textContent = page.total
      ? `${count(page.total, "recording")}, the latest first.`
      : "Nothing was ingested yet: run `earwitness ingest FOLDER`, and it appears here.";
    more(offset + page.recordings.length < page.total, () => list(offset + PAGE));
  });
}

// The first page replaces what was there; a further one goes below, and whoever asked for it stands at its beginning.
function add(cards, offset) {
  if (!offset) return void $("list").replaceChildren(...cards);
  $("list").append(...cards);
  cards[0]?.querySelector("button").focus();
}

function more(is, then) {
  $("more").hidden = !is;
  $("more").onclick = then;
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  go({ q: $("q").value.trim(), doubtful: $("doubtful").checked, recording: null });
  show();
});
$("doubtful").addEventListener("change", () => $("search").requestSubmit());
addEventListener("popstate", show);
show();
