export { type SqliteBackendOptions, sqliteBackend } from "./sqlite-backend.ts";
export { sqliteBackendFromUrl } from "./sqlite-url.ts";
