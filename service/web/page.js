// The page: the query and the moment that plays are in its address, so that a link says both.

import { answer, play } from "./player.js";
import { facetLists } from "./facets.js";
import { count, hitCard, inWords, length, perhapsHeading, recordingCard, understanding } from "./show.js";

const $ = (id) => document.getElementById(id);
const SHOWN = 20;
const PAGE = 50;
const PAGED = 10_000; // hits that can be paged; search/query.py has the same
const KEPT = ["officer", "unit", "category", "incident", "language", "speaker", "since", "until"]; // filters of facets
let asked = 0; // an answer that comes after a later question is thrown away

function address() {
  const parameters = new URLSearchParams(location.search);
  return {
    q: parameters.get("q")?.trim() ?? "",
    doubtful: parameters.get("doubtful") === "true",
    sort: parameters.get("sort") ?? "",
    kept: Object.fromEntries(KEPT.map((name) => [name, parameters.get(name)]).filter(([, value]) => value)),
    recording: parameters.get("recording"),
    at: Number(parameters.get("at") ?? 0),
  };
}

function link(changes) {
  const { q, doubtful, sort, kept, recording, at } = { ...address(), ...changes };
  const parameters = parametersOf({ q, doubtful, sort, kept });
  if (recording) parameters.set("recording", recording);
  if (recording) parameters.set("at", String(at));
  return `/?${parameters}`;
}

// What the page's address and a question to the service have in common.
function parametersOf({ q, doubtful, sort, kept }) {
  const parameters = new URLSearchParams(kept);
  if (q) parameters.set("q", q);
  if (doubtful) parameters.set("doubtful", "true");
  if (sort) parameters.set("sort", sort);
  return parameters;
}

function go(changes) {
  history.pushState(null, "", link(changes));
}

function playFrom(recordingId, startMs) {
  return (card) => {
    for (const other of document.querySelectorAll(".card[aria-current]")) other.removeAttribute("aria-current");
    card.setAttribute("aria-current", "true");
    go({ recording: recordingId, at: startMs });
    $("facets").open = false; // no longer beside the hits, but above them
    play(recordingId, startMs);
  };
}

async function show() {
  const { q, doubtful, sort, recording, at } = address();
  $("q").value = q;
  $("doubtful").checked = doubtful;
  $("sort").value = sort;
  document.title = q ? `${q} · earwitness` : "earwitness";
  const listed = q ? find(address(), 0) : list(0);
  if (recording) {
    $("facets").open = false;
    play(recording, at);
  }
  await listed;
}

async function asking(words, question, found) {
  const mine = ++asked;
  $("status").textContent = words;
  $("more").hidden = true;
  $("download").hidden = true;
  $("understood").hidden = true;
  $("facets").hidden = true;
  try {
    const body = await answer(await fetch(question));
    if (mine === asked) found(body);
  } catch (error) {
    if (mine !== asked) return;
    $("list").replaceChildren();
    $("status").textContent = `That did not work: ${error.message}`;
  }
}

function find(question, offset) {
  const parameters = parametersOf(question);
  return asking("Searching…", `/api/v1/search?${parameters}&facets=${!offset}&limit=${SHOWN}&offset=${offset}`, (found) => {
    const words = inWords(question.q);
    const cards = found.hits.map((hit) => hitCard(hit, words, playFrom));
    add(cards, offset);
    if (found.sort === "relevance") document.querySelector("#list .card.perhaps")?.before($("perhaps") ?? perhapsHeading());
    $("status").replaceChildren(...summary(found));
    $("understood").hidden = false;
    $("understood").querySelector("p").textContent = understanding(found);
    $("download").hidden = !(found.exact && found.total);
    $("download").href = `/api/v1/search/export?${parameters}&format=csv`;
    const narrowed = (kept) => link({ kept, recording: null });
    if (found.facets) $("facets").querySelector("nav").replaceChildren(...facetLists(found, question.kept, narrowed));
    $("facets").hidden = !$("facets").querySelector("a");
    const next = offset + SHOWN;
    more(next < found.total && next + SHOWN <= PAGED, () => find(question, next));
  });
}

function summary({ offset, hits, total, places, exact, total_is_exact, left_out, searched, degraded }) {
  const shown = offset + hits.length;
  const heading = document.createElement("strong");
  const sure = document.querySelector("#list .card:not(.perhaps)");
  const inAll = `${exact && !total_is_exact ? "At least " : ""}${count(total, "hit")}${exact && places > total ? ` from ${places} places` : ""}`;
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
  go({ q: $("q").value.trim(), doubtful: $("doubtful").checked, sort: $("sort").value, recording: null });
  show();
});
for (const id of ["doubtful", "sort"]) $(id).addEventListener("change", () => $("search").requestSubmit());
addEventListener("popstate", show);
$("facets").open = matchMedia("(min-width: 60rem)").matches; // as style.css has it: elsewhere the hits come first
show();
