"""The Celery application: `celery -A tasks worker`. One module per kind of task."""
