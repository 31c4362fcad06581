// One instance of the API: `node instance.ts URL NAMESPACE LIMIT`. It listens on a port of its own, and limits with the others.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { rateLimitHeaders, rateLimitProblem } from "../../src/adapters/rate-limit-headers.ts";
import { connect } from "../../src/index.ts";

const [, , url = "", namespace = "", hourlyLimit = ""] = process.argv;
await using coordinator = await connect(url, { namespace });
const limiter = coordinator.rateLimiter("api", {
  policies: [
    { name: "hourly", limit: Number(hourlyLimit), per: "1h", algorithm: "fixed-window" },
    { name: "monthly", limit: 10_000, per: "month", algorithm: "calendar-window" },
  ],
  // To the exact request. The default, "auto", would hold tokens in advance on a busy instance: faster, never more than the
  // limit either, and for a moment less than it.
  mode: "exact",
  timeout: "10s",
});

const server = createServer(async (request, response) => {
  const key = request.headers["x-api-key"];
  if (typeof key !== "string" || key === "") {
    response.writeHead(401).end("an x-api-key is needed\n");
    return;
  }
  const decision = await limiter.take(key);
  for (const [name, value] of Object.entries(rateLimitHeaders(decision, { policies: limiter.policies }))) {
    response.setHeader(name, value);
  }
  if (decision.allowed) {
    response.end("here you are\n");
    return;
  }
  const problem = rateLimitProblem(decision);
  response.writeHead(problem.status, { "Content-Type": "application/problem+json" });
  response.end(`${JSON.stringify(problem)}\n`);
});

const stop = new Promise((resolve) => process.once("disconnect", resolve));
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
await stop;
server.closeAllConnections();
server.close();
