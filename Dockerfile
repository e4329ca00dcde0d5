# Parley on one node: one process, one SQLite file in the volume /data.
#   docker build -t parley .
#   docker run -p 127.0.0.1:8000:8000 -v parley:/data -e API_KEY=… parley

# This Node only runs npm; the one that Parley is pinned to comes with its dependencies.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /parley
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error \
 && cp --dereference node_modules/.bin/node /usr/local/bin/pinned-node \
 && rm -r node_modules/node-linux-*

FROM debian:bookworm-slim
# Node's own libraries, beside those that every Debian has.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libatomic1 libstdc++6 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --home-dir /data parley \
 && install --directory --owner=parley --mode=0700 /data
COPY --from=dependencies /usr/local/bin/pinned-node /usr/local/bin/node
WORKDIR /parley
COPY --from=dependencies /parley/node_modules node_modules
COPY package.json LICENSE ./
COPY src src
# What is compiled now starts in half the time, and needs no compiler at hand.
RUN node src/main.js --compile

# Inside of a container others always reach the server: it starts only with API_KEY, or AUTH=off.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8000 DATABASE_URL=sqlite:/data/parley.db
USER parley
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Node itself, without npm or a shell in front of it, so that SIGTERM reaches it.
CMD ["node", "--max-semi-space-size=8", "src/main.js"]
