// The documentation's own script: a form that sends a call and shows its answer. The key stays in its field.

const shown = ['x-request-id', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset', 'retry-after', 'allow'];

/** The request that a form stands for. */
function requestOf(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const field of form.querySelectorAll('[data-in]')) {
    const value = field.value.trim();
    if (field.dataset.in === 'path') path = path.replace(`{${field.name}}`, encodeURIComponent(value));
    else if (value && field.dataset.in === 'query') query.append(field.name, value);
    else if (value) headers[field.name] = value;
  }
  const key = form.querySelector('[data-credential]');
  if (key) headers[key.dataset.credential] = key.dataset.credential === 'Authorization' ? `Bearer ${key.value.trim()}` : key.value.trim();
  const body = form.querySelector('[data-body]')?.value.trim() || undefined;
  if (body) headers['Content-Type'] = 'application/json';
  return [path + (query.size ? `?${query}` : ''), { method: form.dataset.try, headers, body, credentials: 'omit', cache: 'no-store' }];
}

/** What came back, as text: JSON laid out, anything else as it is. */
function legible(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function show(output, title, lines, text) {
  const head = document.createElement('p');
  head.className = 'text-sm font-medium';
  head.textContent = title;
  const code = document.createElement('pre');
  code.className = 'code mt-1.5 max-h-96 overflow-auto';
  code.tabIndex = 0;
  code.setAttribute('role', 'region');
  code.setAttribute('aria-label', 'Answer');
  code.textContent = [...lines, ...(lines.length && text ? [''] : []), text].join('\n');
  output.replaceChildren(head, code);
}

document.addEventListener('submit', async (event) => {
  const form = event.target.closest('form[data-try]');
  if (!form) return;
  event.preventDefault();
  const output = form.querySelector('output');
  const button = form.querySelector('[type=submit]');
  button.disabled = true;
  try {
    const answer = await fetch(...requestOf(form));
    const lines = shown.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
    show(output, `${answer.status} ${answer.statusText}`, lines, legible(await answer.text()));
  } catch (fault) {
    show(output, 'The call did not arrive.', [], String(fault.message));
  } finally {
    button.disabled = false;
  }
});
