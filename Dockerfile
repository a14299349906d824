# The bot alone, without torch: it talks to a model server by URL (generation.url in config.yaml).
#   docker build -t mynah .
#   docker run --rm -it -v mynah-data:/app/data -v ./config.yaml:/app/config.yaml:ro mynah
FROM python:3.11-slim
RUN useradd --create-home --uid 10001 mynah
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
ARG EXTRAS=slack,discord,telegram,postgres
RUN pip install --no-cache-dir -e ".[${EXTRAS}]" -c constraints.txt
COPY bots bots
COPY core core
COPY adapters adapters
COPY storage storage
COPY config.yaml ./
# The starter model's tokenizer and settings are small; its weights stay for whoever mounts `local`.
COPY starter starter
RUN mkdir data && chown mynah data
USER mynah
VOLUME /app/data
ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["python", "-m", "bots.run"]
