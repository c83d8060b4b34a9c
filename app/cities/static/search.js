// What the pages of cities can do on top of HTML: suggestions while typing.
// Without this file, or when a request of it fails, the form and the links do all that is needed.
"use strict";

const PAUSE = 150; // milliseconds without a key before we ask
const HOW_MANY = 8;

const form = document.querySelector("form.search");
if (form) suggest(form, form.querySelector("input"));

// ---- suggestions: the combobox with a listbox of WAI-ARIA 1.2; the focus stays in the field ----

function suggest(form, input) {
  const list = make("ul", { id: "suggestions", role: "listbox", "aria-label": "Cities", hidden: "" });
  const status = make("p", { class: "unseen", role: "status" });
  let cities = [];
  let active = -1;
  let timer = 0;
  let question = new AbortController();

  set(input, { role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id, "aria-expanded": "false" });
  input.after(list);
  form.append(status);

  input.addEventListener("input", () => {
    stop();
    if (input.value.trim()) timer = setTimeout(ask, PAUSE);
    else show([], "");
  });
  input.addEventListener("keydown", (event) => {
    if (!event.isComposing && press(event.key)) event.preventDefault();
  });
  input.addEventListener("blur", close);
  form.addEventListener("submit", close);
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(cities[[...list.children].indexOf(option)]);
  });

  function stop() {
    clearTimeout(timer);
    question.abort(); // its answer would be to what stood here before
  }

  async function ask() {
    stop();
    question = new AbortController();
    const asked = new URLSearchParams({ prefix: input.value.trim(), limit: HOW_MANY });
    try {
      // The server names each answer (ETag): the browser keeps it, asks whether it still holds, and gets a 304.
      const answer = await fetch(`${form.dataset.suggest}?${asked}`, { signal: question.signal });
      const found = answer.ok ? (await answer.json()).items : [];
      show(found, answer.ok ? counted(found.length) : "");
    } catch (error) {
      if (error.name !== "AbortError") show([], "");
    }
  }

  function show(found, said) {
    cities = found;
    list.replaceChildren(...found.map(option));
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    status.textContent = said;
    activate(-1);
  }

  function close() {
    stop();
    show([], "");
  }

  function activate(place) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = place;
    const option = list.children[place];
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  }

  // Whether the key was meant for the list. -1 is the field itself, between the last and the first.
  function press(key) {
    if (list.hidden) {
      if (key !== "ArrowDown" || !input.value.trim()) return false;
      ask();
      return true;
    }
    const last = cities.length - 1;
    if (key === "ArrowDown") activate(active === last ? -1 : active + 1);
    else if (key === "ArrowUp") activate(active === -1 ? last : active - 1);
    else if (key === "Escape") close();
    else if (active === -1) return false;
    else if (key === "Home") activate(0);
    else if (key === "End") activate(last);
    else if (key === "Enter") choose(cities[active]);
    else return false;
    return true;
  }

  function choose(city) {
    input.value = city.name;
    close();
    location.assign(`${form.action}?${new URLSearchParams({ city: city.name })}#city-${city.id}`);
  }
}

function option(city, place) {
  const item = make("li", { id: `suggestion-${place}`, role: "option", "aria-selected": "false" });
  const country = make("span", { class: "country" });
  country.append(isolated(city.country.name));
  item.append(isolated(city.name), " ", country);
  return item;
}

// As the filter of that name does on the server: a name from right to left leaves what is beside it alone.
function isolated(name) {
  const part = make("bdi", {});
  part.textContent = name.replace(/[\u202A-\u202E\u2066-\u2069]/g, "");
  return part;
}

function counted(number) {
  if (!number) return "No suggestions.";
  return `${number} suggestion${number > 1 ? "s" : ""}. Choose with the arrow keys.`;
}

// ---- elements ----

function make(name, attributes) {
  return set(document.createElement(name), attributes);
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
