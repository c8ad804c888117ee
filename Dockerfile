# syntax=docker/dockerfile:1
# The API server and the worker; docker-compose.yml says which of them a container runs.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY src ./src
COPY workflows ./workflows
COPY activities ./activities
COPY tools ./tools
RUN npm run build && node dist/tools/bundle-workflows.js dist/workflow-bundle.js
RUN npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    SLUICE_HOST=0.0.0.0 \
    SLUICE_PORT=7420 \
    SLUICE_FOLDER=/var/lib/sluice \
    SLUICE_WORKFLOW_BUNDLE=/app/dist/workflow-bundle.js
# Temporal's native client verifies TLS with the system's certificates, which the slim image lacks.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o node -g node /var/lib/sluice /var/lib/sluice/notes
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
EXPOSE 7420
VOLUME /var/lib/sluice
CMD ["node", "dist/src/server.js"]
