"""What is broken on purpose, by name: the check that must find it, file, old and new text, and what the check says."""

COMPOSE = "docker-compose.yml"
DOCKERFILE = "deploy/Dockerfile"
BASE = "deploy/kustomize/base"
PRODUCTION = "deploy/kustomize/production"

BROKEN = {
    "an untold version": ("Dockerfile", DOCKERFILE, "python:3.11.14-slim-bookworm AS", "python:latest AS", "DL3007"),
    "another uv": ("Dockerfile", DOCKERFILE, "uv==", "uv==0.", "installs uv"),
    "a misspelt key": ("compose", COMPOSE, "    shm_size:", "    shm_sise:", "shm_sise"),
    "an undocumented setting": (
        "compose",
        COMPOSE,
        "KIZUNA_TIME_ZONE:",
        "KIZUNA_TIMEZONE:",
        "KIZUNA_TIMEZONE is no setting",
    ),
    "a setting of another service": (
        "compose",
        COMPOSE,
        "KIZUNA_HEALTH_DATABASE_URL_FILE:",
        "KIZUNA_REVENUE_DATABASE_URL_FILE:",
        "health: KIZUNA_REVENUE_DATABASE_URL_FILE is no setting",
    ),
    "a setting that is missing": (
        "compose",
        COMPOSE,
        "      KIZUNA_ALERTS_LINK_SECRET_FILE: /secrets/alerts/link_secret\n",
        "",
        "KIZUNA_ALERTS_LINK_SECRET",
    ),
    "nobody to reach": (
        "compose",
        COMPOSE,
        "      KIZUNA_ALERTS_TEAM_MAIL: customer-success@vendor.example\n",
        "",
        "somebody",
    ),
    "a password that is missing": (
        "compose",
        COMPOSE,
        "      KIZUNA_HEALTH_DB_PASSWORD_FILE: /secrets/migrations/health_password\n",
        "",
        "KIZUNA_HEALTH_DB_PASSWORD is missing",
    ),
    "an open port": ("compose", COMPOSE, '"127.0.0.1:8002:8080"', '"8002:8080"', "port 8002 is open to others"),
    "no limit": ("compose", COMPOSE, "memory: 128m, ", "", "mail: it has no limit of memory"),
    "a misspelt field": (
        "manifests",
        f"{BASE}/deployment.yaml",
        "enableServiceLinks",
        "enableServiceLink",
        "enableServiceLink",
    ),
    "a wrong type": ("manifests", f"{BASE}/deployment.yaml", "containerPort: 8080", 'containerPort: "8080"', "8080"),
    "a setting that nobody reads": (
        "manifests",
        f"{BASE}/health.yaml",
        "KIZUNA_HEALTH_DATABASE_URL_FILE",
        "KIZUNA_HEALTH_DATABASE_URI_FILE",
        "KIZUNA_HEALTH_DATABASE_URI_FILE is no setting",
    ),
    "a key of no ConfigMap": (
        "manifests",
        f"{BASE}/config.yaml",
        "KIZUNA_PARTITIONS:",
        "PARTITIONS:",
        "KIZUNA_PARTITIONS is in no",
    ),
    "a file of no Secret": (
        "manifests",
        f"{BASE}/alerts.yaml",
        "/secrets/link_secret",
        "/secrets/links",
        "no Secret brings",
    ),
    "a selector without pods": (
        "manifests",
        f"{BASE}/network.yaml",
        "name: alerts,",
        "name: alert,",
        "nothing has the labels",
    ),
    "a patch of nothing": (
        "manifests",
        f"{PRODUCTION}/health.yaml",
        "name: health",
        "name: helth",
        "a patch fits nothing",
    ),
    "killed while it drains": (
        "manifests",
        f"{BASE}/deployment.yaml",
        "terminationGracePeriodSeconds: 30",
        "terminationGracePeriodSeconds: 5",
        "killed before it has drained",
    ),
    "scaling by another group": (
        "manifests",
        f"{PRODUCTION}/scaling.yaml",
        "consumerGroup: revenue",
        "consumerGroup: kizuna-revenue",
        "the group of revenue is called revenue",
    ),
    "scaling nothing": (
        "manifests",
        f"{PRODUCTION}/scaling.yaml",
        "{name: health}",
        "{name: helth}",
        "no Deployment helth",
    ),
    "a file that is left out": (
        "image",
        ".dockerignore",
        "!deploy/jobs\n",
        "",
        ".dockerignore lets nothing of deploy/jobs",
    ),
    "a package that is left out": ("image", DOCKERFILE, "COPY services ./services\n", "", "services"),
    "a step that is not replayed": (
        "image",
        DOCKERFILE,
        "RUN uv sync",
        "RUN apt-get update && uv sync",
        "how to replay it",
    ),
}
