"""Messages to workers. The only place in this package that imports Celery."""
