// Serves this folder and reloads open pages when a file changes. No packages needed.
import { createServer } from "node:http";
import { createReadStream, watch } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";

const port = Number(process.env.PORT ?? 3000);
const root = await realpath(process.cwd());
const types = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".md": "text/plain; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".webp": "image/webp",
  ".ico": "image/x-icon",
};
const reload = '<script>new EventSource("/@reload").onmessage = () => location.reload()</script>';

const open = new Set();
let pending;
watch(root, { recursive: true }, (_, name) => {
  if (!name || name.startsWith(".") || name.includes("node_modules")) return;
  clearTimeout(pending);
  pending = setTimeout(() => open.forEach((page) => page.write("data: changed\n\n")), 50);
});

async function find(pathname) {
  const asked = await realpath(join(root, decodeURIComponent(pathname)));
  if (asked !== root && !asked.startsWith(root + sep)) throw new Error("outside the folder");
  const found = await stat(asked);
  return found.isDirectory() ? find(join(pathname, "index.html")) : asked;
}

createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/@reload") {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    response.write(":\n\n");
    open.add(response);
    response.on("close", () => open.delete(response));
    return;
  }
  try {
    const file = await find(pathname);
    const type = types[extname(file)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "cache-control": "no-cache" });
    const stream = createReadStream(file);
    stream.on("error", () => response.end());
    if (type.startsWith("text/html")) stream.on("end", () => response.end(reload)).pipe(response, { end: false });
    else stream.pipe(response);
  } catch {
    response.writeHead(404, { "content-type": "text/plain; charset=utf-8" });
    response.end(`There is no ${pathname} in this folder.\n`);
  }
}).listen(port, () => console.log(`Serving this folder on port ${port}`));
