# Two images. The bot alone, without torch: it talks to a model's server by URL (generation.url in
# config.yaml). And vLLM with `python -m bots.serve`, which starts it as tunes need it.
#   docker build -t mynah .
#   docker run --rm -it -v mynah-data:/app/data -v ./config.yaml:/app/config.yaml:ro mynah
#   docker build --target vllm -t mynah-vllm .
# Both together: compose.yaml.
FROM scratch AS code
COPY bots bots
COPY core core
COPY adapters adapters
COPY storage storage
COPY config.yaml ./
# The starter model's tokenizer and settings are small; its weights stay for whoever mounts `local`.
COPY starter starter

FROM vllm/vllm-openai:v0.32.0 AS vllm
RUN useradd --create-home --uid 10001 mynah
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
# Apart from vLLM's own packages, whose versions are others than ours.
RUN uv venv /opt/mynah \
 && uv pip install --no-cache --python /opt/mynah/bin/python -e . -c constraints.txt
# bots.serve looks there for a Python that has vLLM: it is the image's own.
RUN mkdir -p .venv-vllm/bin data/tunes /home/mynah/.cache/huggingface \
 && printf '#!/bin/sh\nexec python3 "$@"\n' > .venv-vllm/bin/python \
 && chmod +x .venv-vllm/bin/python \
 && chown -R mynah data /home/mynah/.cache
COPY --from=code / ./
USER mynah
ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["/opt/mynah/bin/python", "-m", "bots.serve"]

# The last one is what is built where no --target is named.
FROM python:3.11-slim AS bot
RUN useradd --create-home --uid 10001 mynah
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
ARG EXTRAS=slack,discord,telegram,postgres
RUN pip install --no-cache-dir -e ".[${EXTRAS}]" -c constraints.txt
COPY --from=code / ./
RUN mkdir -p data/tunes && chown -R mynah data
USER mynah
VOLUME /app/data
ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["python", "-m", "bots.run"]
