import { type NatsCluster, type NatsClusterOptions, natsCluster } from "../../servers/nats-cluster.ts";
import { bucket } from "./nats.ts";
import type { Target } from "./target.ts";

/** The stream behind the bucket that workers share. */
export const stream = `KV_${bucket}`;

/** A {@link Target} of several servers. */
export interface ClusterTarget extends Target {
  readonly cluster: NatsCluster;
  /** The bucket, by way of these servers of the cluster. */
  urlOver(urls: readonly string[]): string;
}

/** A cluster of three NATS servers, the bucket on all of them. */
export async function natsClusterTarget(options: NatsClusterOptions = {}): Promise<ClusterTarget> {
  const cluster = await natsCluster(options);
  const urlOver = (urls: readonly string[]): string => {
    const hosts = urls.map((url) => new URL(url).host).join(",");
    return `nats://${hosts}/${bucket}?replicas=${cluster.servers.length}`;
  };
  return {
    description: `a cluster of ${cluster.servers.length}: ${cluster.servers[0]?.description}`,
    url: urlOver(cluster.urls),
    urlAt() {
      throw new Error("a cluster is not reached over one port");
    },
    server: undefined,
    cluster,
    urlOver,
    [Symbol.asyncDispose]: () => cluster.close(),
  };
}
