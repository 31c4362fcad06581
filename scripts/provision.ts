/**
 * Fills the cache of servers for tests ahead of time: `npm run provision`. `npm test` does it by itself
 * where neither containers nor programs are there. It installs nothing: see `test/servers/index.ts`.
 */
import { dynamodbProgram, natsProgram } from "../test/servers/programs.ts";
import { natsLines } from "../test/servers/settings.ts";

const results = await Promise.allSettled([
  ...natsLines.map(async ({ version }) => `NATS ${version}: ${await natsProgram(version)}`),
  dynamodbProgram().then(
    ({ home, java }) => `DynamoDB Local: ${home} with Java ${java.version} (${java.program})`,
  ),
]);
for (const result of results) {
  if (result.status === "fulfilled") console.log(result.value);
  else console.error(String(result.reason));
}
if (results.some((result) => result.status === "rejected")) process.exitCode = 1;
