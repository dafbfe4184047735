// Plain JavaScript, because Jest would load a .ts file here without its own module mapping.
export default async () => (await import('./test-server.ts')).startServer();
