// Builds what browsers load: node build.mjs OUT DIST, where DIST has the versions that were released before.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const [out, dist] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

// Bytes of a file as it goes over the network, at most.
const GZIP_BYTES_MAX = {
  "panvault.js": 12_288,
  "panvault.mjs": 12_288,
  "frame.js": 12_288,
  "frame.css": 4_096,
  "jsclient.js": 12_288,
  // Its texts are in nine languages.
  "checkout.js": 16_384,
  "checkout.css": 4_096,
  "app.js": 143_360,
  "app.css": 8_192,
};

const common = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
  target: "es2022",
  define: { VERSION: JSON.stringify(version) },
};
const classic = { ...common, format: "iife" };
const module = { ...common, format: "esm" };

rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, version), { recursive: true });
await build({ ...classic, entryPoints: ["src/panvault.ts"], globalName: "Panvault", outfile: join(out, version, "panvault.js") });
await build({ ...module, entryPoints: ["src/panvault.ts"], outfile: join(out, version, "panvault.mjs") });
await build({ ...classic, entryPoints: ["src/frame/main.ts"], outfile: join(out, version, "frame.js") });
await build({ ...common, entryPoints: ["src/frame/frame.css"], outfile: join(out, version, "frame.css") });
// Pages that come with the vault rather than with a version of the script.
await build({ ...classic, entryPoints: ["src/jsclient.ts"], globalName: "jsclient", outfile: join(out, "jsclient.js") });
await build({ ...classic, entryPoints: ["src/checkout/main.ts"], outfile: join(out, "checkout.js") });
await build({ ...common, entryPoints: ["checkout/checkout.css"], outfile: join(out, "checkout.css") });
await build({ ...module, entryPoints: ["src/try.ts"], outfile: join(out, "try.js") });
copyFileSync(join(root, "try/try.css"), join(out, "try.css"));
page("try", { version, integrity: sri(readFileSync(join(out, version, "panvault.js"))) });
page("checkout", { script: sri(readFileSync(join(out, "checkout.js"))), style: sri(readFileSync(join(out, "checkout.css"))) });
// The console, which is served on a listener of its own.
const jsx = { jsx: "automatic", jsxImportSource: "preact" };
await build({ ...module, ...jsx, entryPoints: ["console/main.tsx"], outfile: join(out, "console/app.js"), banner: { js: "/* With Preact and uPlot: console/licences.txt */" } });
for (const name of ["index.html", "icon.svg"]) copyFileSync(join(root, "console", name), join(out, "console", name));
// Their licence (MIT) goes along with every copy.
const licences = ["preact", "uplot"].map((name) => `${name}\n\n${readFileSync(join(root, "node_modules", name, "LICENSE"), "utf8").trim()}\n`);
writeFileSync(join(out, "console/licences.txt"), licences.join("\n\n"));

// The npm package: the same code, readable, for the bundler of the shop.
const library = { ...module, minify: false, external: ["react", "react/jsx-runtime"] };
await build({ ...library, entryPoints: ["src/panvault.ts"], outfile: join(root, "lib/panvault.mjs") });
await build({ ...library, entryPoints: ["src/react.tsx"], outfile: join(root, "lib/react.mjs") });

// A shop that renders its pages on a server imports it there.
await import(join(root, "lib/panvault.mjs"));

const hashes = {};
// What was released stays and goes on being served.
const kept = existsSync(dist) ? files(dist).map((path) => relative(dist, path)) : [];
for (const path of kept) {
  if (path !== "hashes.json" && ![version, "console"].includes(path.split(sep)[0]) && !existsSync(join(out, path))) hash(dist, join(dist, path));
}
for (const path of files(out)) hash(out, path);
const sorted = Object.fromEntries(Object.entries(hashes).sort(([one], [other]) => (one < other ? -1 : 1)));
writeFileSync(join(out, "hashes.json"), `${JSON.stringify(sorted, null, 2)}\n`);

let tooLarge = false;
for (const path of files(out)) {
  const bytes = gzipSync(readFileSync(path), { level: 9 }).length;
  const limit = GZIP_BYTES_MAX[path.split(sep).pop()];
  console.log(`${relative(out, path)}: ${bytes} bytes as gzip${limit ? ` of ${limit}` : ""}`);
  if (limit && bytes > limit) tooLarge = true;
}
if (tooLarge) {
  console.error("a file is larger than it may be: see GZIP_BYTES_MAX in web/build.mjs");
  process.exit(1);
}

function files(directory) {
  return readdirSync(directory, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? files(join(directory, entry.name)) : [join(directory, entry.name)]))
    .sort();
}

// A page of the vault's own, with what it must say of files that are built.
function page(name, values) {
  const text = readFileSync(join(root, name, `${name}.html`), "utf8");
  writeFileSync(join(out, `${name}.html`), text.replace(/\{\{(\w+)\}\}/g, (_, value) => values[value]));
}

function hash(base, path) {
  hashes[relative(base, path).split(sep).join("/")] = sri(readFileSync(path));
}

// As it stands in the `integrity` of a script tag.
function sri(bytes) {
  return `sha384-${createHash("sha384").update(bytes).digest("base64")}`;
}
