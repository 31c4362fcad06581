import { connect } from "node:net";

const probeTimeoutMs = 2_000;

/** What a NATS server says of itself to every new connection, before it asks for a password. */
export interface NatsInfo {
  readonly server_name: string;
  readonly version: string;
  readonly jetstream?: boolean;
}

/** Connects to a NATS server and reads its first line. Needs no client and no rights. */
export function readNatsInfo(host: string, port: number): Promise<NatsInfo> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let received = "";
    const fail = (reason: string) => {
      socket.destroy();
      reject(new Error(`${host}:${port} ${reason}`));
    };
    socket.setEncoding("utf8");
    socket.setTimeout(probeTimeoutMs, () => fail(`sent no INFO within ${probeTimeoutMs} ms`));
    socket.on("error", (error) => fail(error.message));
    socket.on("close", () => fail("closed the connection before its INFO"));
    socket.on("data", (chunk: string) => {
      received += chunk;
      const end = received.indexOf("\r\n");
      if (end === -1) return;
      if (!received.startsWith("INFO ")) return fail(`is no NATS server: ${received.slice(0, end)}`);
      resolve(JSON.parse(received.slice("INFO ".length, end)) as NatsInfo);
      socket.destroy();
    });
  });
}

/** Whether DynamoDB Local at this URL lists its tables. Needs no SDK: it does not check signatures. */
export async function answersDynamodb(url: string): Promise<boolean> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "Content-Type": "application/x-amz-json-1.0",
      "X-Amz-Target": "DynamoDB_20120810.ListTables",
      Authorization:
        "AWS4-HMAC-SHA256 Credential=local/20200101/us-east-1/dynamodb/aws4_request, " +
        "SignedHeaders=host, Signature=0",
    },
    body: '{"Limit":1}',
    signal: AbortSignal.timeout(probeTimeoutMs),
  });
  await response.arrayBuffer();
  return response.status === 200;
}
