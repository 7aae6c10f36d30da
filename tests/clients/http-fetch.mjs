// Publishes what a file says over HTTP, with the fetch of Node.js.
//
//     node http-fetch.mjs http://127.0.0.1:8000/notifications FILE
import { readFile } from 'node:fs/promises';

const [url, file] = process.argv.slice(2);
const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: await readFile(file),
    signal: AbortSignal.timeout(10_000),
});
console.log(response.status, await response.text());
process.exitCode = response.ok ? 0 : 1;
