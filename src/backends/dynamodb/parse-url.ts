import type { Duration } from "../../core/durations.ts";
import { describe } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import { type AttributeNames, type DynamodbBackendOptions, defaultTable } from "./options.ts";
import type { TableOptions } from "./table-options.ts";

/** What a `dynamodb:` URL says. */
export interface ParsedUrl {
  /** Left out: the SDK looks for it in the environment and the shared configuration. */
  readonly region?: string;
  readonly endpoint?: string;
  readonly options: Omit<DynamodbBackendOptions, "client">;
}

const attributeParameters = ["key", "value", "version", "expiry", "sum", "group"] as const;
const unitParameters = ["readUnits", "writeUnits", "readUnitsMax", "writeUnitsMax"] as const;
const knownParameters = [
  "endpoint",
  ...attributeParameters,
  "listIndex",
  "requestTimeout",
  "timeToLive",
  "allowEventualGlobalTable",
  "billing",
  ...unitParameters,
  "encryption",
  "pointInTimeRecovery",
  "streams",
  "deletionProtection",
  "tableClass",
  "tags",
];

/**
 * Reads `dynamodb://region/table?endpoint=http://127.0.0.1:8000`.
 *
 * @throws InvalidArgumentError for another form, a parameter that nobody knows, or credentials in the URL.
 */
export function parseDynamodbUrl(text: string): ParsedUrl {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.protocol !== "dynamodb:" || !text.startsWith("dynamodb://") || url.hash !== "") {
    throw new InvalidArgumentError(
      `expected a URL such as dynamodb://eu-west-1/table or dynamodb://eu-west-1/table?endpoint=http://127.0.0.1:8000; got ${describe(text)}`,
    );
  }
  if (url.username !== "" || url.password !== "" || url.port !== "") {
    throw new InvalidArgumentError(
      "a dynamodb URL begins with dynamodb://region/table: give credentials by the environment or the shared " +
        "configuration of the AWS SDK, and another host as ?endpoint=",
    );
  }
  const parameters = readParameters(url);
  const path = decodeURIComponent(url.pathname.replace(/^\//, ""));
  const endpoint = parameters.get("endpoint");
  const listIndex = parameters.get("listIndex");
  if (endpoint !== undefined && !/^https?:\/\/[^/]/.test(endpoint)) {
    throw new InvalidArgumentError(`endpoint must be an http or https URL; got ${describe(endpoint)}`);
  }
  return {
    ...(url.hostname === "" ? {} : { region: url.hostname }),
    ...(endpoint === undefined ? {} : { endpoint }),
    options: {
      table: path === "" ? defaultTable : path,
      attributes: attributesOf(parameters),
      create: tableOptionsOf(parameters),
      ...(listIndex === undefined ? {} : { listIndex }),
      timeToLive: flag(parameters, "timeToLive") ?? true,
      allowEventualGlobalTable: flag(parameters, "allowEventualGlobalTable") ?? false,
      requestTimeout: (parameters.get("requestTimeout") ?? "1500ms") as Duration,
    },
  };
}

type Parameters = ReadonlyMap<string, string>;

function readParameters(url: URL): Parameters {
  const parameters = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (!knownParameters.includes(name)) {
      throw new InvalidArgumentError(
        `a dynamodb URL has no parameter ${describe(name)}; it has ${knownParameters.join(", ")}`,
      );
    }
    if (parameters.has(name)) throw new InvalidArgumentError(`the dynamodb URL names ${name} twice`);
    parameters.set(name, value);
  }
  return parameters;
}

function attributesOf(parameters: Parameters): Partial<AttributeNames> {
  const given = attributeParameters.filter((name) => parameters.has(name));
  return Object.fromEntries(given.map((name) => [name, parameters.get(name)]));
}

function tableOptionsOf(parameters: Parameters): TableOptions {
  const tags = parameters.get("tags");
  const texts = ["encryption", "streams", "tableClass"].filter((name) => parameters.has(name));
  // What they may say is checked with the other options of a table.
  const given: TableOptions = Object.fromEntries(texts.map((name) => [name, parameters.get(name)]));
  return {
    billing: billingOf(parameters),
    pointInTimeRecovery: flag(parameters, "pointInTimeRecovery") ?? false,
    deletionProtection: flag(parameters, "deletionProtection") ?? false,
    ...given,
    ...(tags === undefined ? {} : { tags: tagsOf(tags) }),
  };
}

function tagsOf(text: string): Readonly<Record<string, string>> {
  const tags = text.split(",").map((tag) => /^([^=]+)=(.*)$/.exec(tag)?.slice(1) as [string, string]);
  if (tags.every((tag) => tag !== undefined)) return Object.fromEntries(tags);
  throw new InvalidArgumentError(`tags must be like team=billing,stage=test; got ${describe(text)}`);
}

function billingOf(parameters: Parameters): NonNullable<TableOptions["billing"]> {
  const given = unitParameters.filter((name) => parameters.has(name));
  const form = [parameters.get("billing") ?? "on-demand", ...given].join();
  if (form === "on-demand") return form;
  if (/^(provisioned,readUnits,writeUnits|on-demand(,readUnitsMax)?(,writeUnitsMax)?)$/.test(form)) {
    return Object.fromEntries(given.map((name) => [name, unitsOf(parameters, name)]));
  }
  throw new InvalidArgumentError(
    "billing must be on-demand, alone or with readUnitsMax and writeUnitsMax, or provisioned together with readUnits " +
      `and writeUnits; got ${describe(form)}`,
  );
}

function unitsOf(parameters: Parameters, name: string): number {
  const text = parameters.get(name) ?? "";
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new InvalidArgumentError(`${name} must be a whole number from 1; got ${describe(text)}`);
  }
  return Number(text);
}

function flag(parameters: Parameters, name: string): boolean | undefined {
  const text = parameters.get(name);
  if (text === undefined) return undefined;
  if (text !== "true" && text !== "false") {
    throw new InvalidArgumentError(`${name} must be true or false; got ${describe(text)}`);
  }
  return text === "true";
}
