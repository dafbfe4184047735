# The Daybook server. DAYBOOK_ROLES decides what a container is: api, worker, scheduler, receiver, consumer or several.
#
#   docker build --tag daybook .
#   docker run --init --publish 3000:3000 --env DATABASE_URL=… --env AUTH_JWT_SECRET=… daybook

ARG NODE_IMAGE=node:26-bookworm-slim

# Everything the build needs: compilers, type checker, bundler.
FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY . .
RUN npm run build
# Migrations are read at run time from libs/<library>/migrations below the package.json. A COPY with wildcards
# would flatten them into one folder, so they are gathered here with their paths; a new library needs no edit.
RUN mkdir /migrations && find libs -path '*/migrations/*.sql' -exec cp --parents '{}' /migrations ';'

# Only what the server needs. The optional packages are PostgreSQL itself (started without a DATABASE_URL:
# never in a container) and a driver for Cloudflare; no production package needs its install script.
FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --ignore-scripts

FROM ${NODE_IMAGE} AS runtime
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app
# The files belong to root: the server can read its own code and cannot change it.
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/package.json ./
COPY --from=build /app/dist ./dist
COPY --from=build /migrations/libs ./libs
# Where the exchange simulator, which is in the image too, may keep its state in a volume: that takes the owner over.
RUN install --directory --owner=node --group=node /var/lib/exchange-simulator
USER node
EXPOSE 3000
# The server handles SIGTERM and starts no other process, so it may be process 1: the image holds no init.
# docker-compose.yml and `docker run --init` add one all the same, to reap what a debugging session leaves.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", \
    "fetch('http://127.0.0.1:' + process.env.PORT + '/health/live').then((r) => process.exit(r.ok ? 0 : 1))"]
CMD ["node", "--enable-source-maps", "dist/apps/api/main.js"]
