"""One module for each intent, named as its task or command."""
