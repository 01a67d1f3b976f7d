// A program of an integrator: creates a webhook, publishes an event and reads the delivery log. The types come from the OpenAPI
// document, so it compiles only as long as the document has what it uses.
import createClient from 'openapi-fetch';
import type { components, paths } from './schema';

type Delivery = components['schemas']['Delivery'];

const [baseUrl, key, target] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });

/** The data of an answer, or the sentence of its error. */
function must<T>(answer: { data?: T; error?: { error: string }; response: Response }): T {
  if (answer.data === undefined) throw new Error(`${answer.response.status} ${answer.error?.error}`);
  return answer.data;
}

const webhook = must(await client.PUT('/api/v1/webhooks/configs', {
  body: { name: 'Generated', url: target, events: ['submission.*'], headers: { 'X-Env': 'test' } },
}));
if (!webhook.secret?.startsWith('whsec_')) throw new Error('the webhook came without its secret');

const published = must(await client.POST('/api/v1/events', {
  body: { event: 'submission.completed', data: { submissionId: 'sub_1', status: 'COMPLETED' } },
}));
if (!('id' in published) || published.deliveries !== 1) throw new Error(`published as ${JSON.stringify(published)}`);

async function delivered(eventId: string): Promise<Delivery> {
  for (let tries = 0; tries < 200; tries++) {
    const log = must(await client.GET('/api/v1/webhooks/logs', { params: { query: { eventId, status: ['success'], limit: 10 } } }));
    if (log.data.length > 0) return log.data[0]!;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the delivery did not arrive');
}

const delivery = await delivered(published.id);
const one = must(await client.GET('/api/v1/webhooks/logs/{id}', { params: { path: { id: delivery.id } } }));
const missing = await client.GET('/api/v1/webhooks/logs/{id}', { params: { path: { id: 'whd_0000000000000000000001' } } });
if (missing.error?.code !== 'not_found') throw new Error(`a delivery of nobody: ${missing.response.status}`);

console.log(JSON.stringify({ webhook: webhook.id, event: published.id, delivery: one.id, status: one.status, statusCode: one.attempts[0]?.statusCode }));
