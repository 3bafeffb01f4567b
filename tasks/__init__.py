"""The Celery application: `celery -A tasks worker`. Each task in a module of its own name."""
