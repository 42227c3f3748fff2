"""Version 1 of the API for machines: training jobs pull the exclusion list and report runs; the platform reports events; partners look
pictures up. openapi.json describes it.

Bearer tokens come from ``flask token create``; the platform's webhook is authenticated by a signature over its body.
"""

from flask import Blueprint

from portal.api import acknowledgements, deletion_vectors, description, events, exclusion_list, lookups, training_runs

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
for part in (exclusion_list, deletion_vectors, acknowledgements, training_runs, events, lookups, description):
    part.add_routes(blueprint)
