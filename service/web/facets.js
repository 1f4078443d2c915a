// Facets: what the hits have in common, each value a link to those that have it, and a link away from it again.

import { element, languageName } from "./show.js";

const NAMES = { speaker_kind: "heard as" };
const FILTERS = { speaker_kind: ["speaker"], month: ["since", "until"] }; // what keeps to a value; else as the facet is called

// `kept`: the filters now, by name; `link`: the address that has others.
export function facetLists({ facets, facets_others }, kept, link) {
  return Object.entries(facets).map(([name, values]) => {
    const filters = FILTERS[name] ?? [name];
    const isKept = filters.some((filter) => kept[filter]);
    if (!isKept && !values.some(({ value }) => value !== null)) return null;
    const others = facets_others[name];
    const without = Object.fromEntries(Object.entries(kept).filter(([filter]) => !filters.includes(filter)));
    const rows = values.map(({ value, count }) => row(name, value, count, isKept ? null : link({ ...kept, ...filterBy(name, value) })));
    return element("section", {
      children: [
        element("h2", { id: `facet-${name}`, text: NAMES[name] ?? name }),
        element("ul", { "aria-labelledby": `facet-${name}`, children: rows }),
        others.values > 0 && element("p", { class: "meta", text: `${others.values} more, ${others.count}` }),
        isKept && element("a", { href: link(without), text: `any ${NAMES[name] ?? name}` }),
      ],
    });
  }).filter(Boolean);
}

function row(name, value, count, href) {
  const text = value === null ? "none" : name === "language" ? languageName(value) : value;
  const shown = value === null || href === null ? element("span", { text }) : element("a", { href, text });
  return element("li", { children: [shown, " ", element("span", { class: "meta", text: String(count) })] });
}

// A month is from its first day to the next one's, as the agency's clocks have it.
function filterBy(name, value) {
  if (value === null) return {};
  if (name === "speaker_kind") return { speaker: value };
  if (name !== "month") return { [name]: value };
  const [year, month] = value.split("-").map(Number);
  const next = `${String(year + Math.floor(month / 12)).padStart(4, "0")}-${String((month % 12) + 1).padStart(2, "0")}`;
  return { since: `${value}-01`, until: `${next}-01` };
}
