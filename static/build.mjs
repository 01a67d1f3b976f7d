// Builds static/dist from static/src and the pinned packages. The same input gives the same bytes: file names carry the hash of
// their content, nothing carries a time, and every list is sorted.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url)); // Node 18, which Debian 12 has, knows no import.meta.dirname
const src = (name) => join(here, 'src', name);
const pkg = (name) => join(here, 'node_modules', name);
const dist = join(here, 'dist');

const manifest = {};
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);

/** Writes content under its hashed name and records it in the manifest. Returns the hashed name. */
function emit(name, content) {
  const bytes = Buffer.from(content);
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 10);
  const extension = extname(name);
  const hashed = `${name.slice(0, -extension.length)}.${hash}${extension}`;
  writeFileSync(join(dist, hashed), bytes);
  manifest[name] = hashed;
  return hashed;
}

/** Compiles src/app.css with Tailwind into one minified text. */
function compileCSS() {
  const dir = mkdtempSync(join(tmpdir(), 'posthorn-css-'));
  const out = join(dir, 'app.css');
  try {
    execFileSync(pkg('.bin/tailwindcss'), ['-i', src('app.css'), '-o', out, '--minify'], { cwd: here, stdio: ['ignore', 'ignore', 'inherit'] });
    return readFileSync(out, 'utf8');
  } finally {
    rmSync(dir, { recursive: true });
  }
}

// Leaves first, so that what refers to them can use the hashed names.
for (const family of ['geist', 'geist-mono']) {
  for (const subset of ['latin', 'latin-ext']) {
    const file = `${family}-${subset}-wght-normal.woff2`;
    emit(file, readFileSync(pkg(`@fontsource-variable/${family}/files/${file}`)));
  }
}
emit('OFL-Geist.txt', readFileSync(pkg('@fontsource-variable/geist/LICENSE')));
for (const file of readdirSync(src('')).filter((f) => f.endsWith('.svg')).sort()) {
  emit(file, readFileSync(src(file)));
}

const css = compileCSS().replace(/url\((['"]?)([\w.-]+)\1\)/g, (_, __, name) => {
  if (!manifest[name]) throw new Error(`app.css refers to ${name}, which is not built`);
  return `url(${manifest[name]})`;
});
emit('app.css', css);
emit('htmx.js', readFileSync(pkg('htmx.org/dist/htmx.min.js')));
for (const script of ['app.js', 'docs.js']) {
  emit(script, transformSync(readFileSync(src(script), 'utf8'), { minify: true, target: 'es2022', format: 'iife', charset: 'utf8' }).code);
}

const sorted = Object.fromEntries(Object.keys(manifest).sort().map((name) => [name, manifest[name]]));
writeFileSync(join(dist, 'manifest.json'), JSON.stringify(sorted, null, 2) + '\n');
