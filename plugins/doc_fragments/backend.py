# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option that names the traffic system. Private to the gradual.canary collection."""

from __future__ import annotations


class ModuleDocFragment:
    """The traffic systems, and the options of each."""

    DOCUMENTATION = r"""
options:
  backend:
    description: The traffic system that splits the application's requests, and the objects of it that do.
    type: dict
    required: true
    suboptions:
      type:
        description:
          - V(gateway_api) splits by the weights of an HTTPRoute.
          - V(ingress_nginx) splits by a second Ingress with the canary annotations of ingress-nginx, which Traefik
            reads too.
        type: str
        required: true
        choices: [gateway_api, ingress_nginx]
      route:
        description: Name of the HTTPRoute. Needed for V(gateway_api).
        type: str
      route_namespace:
        description: Namespace of the HTTPRoute, for V(gateway_api). The application's, unless given.
        type: str
      rule:
        description:
          - The rule of the HTTPRoute to split, for V(gateway_api); its name, or its index counted from 0.
          - Needed when more than one rule leads to the application.
        type: str
      ingress:
        description:
          - Name of the main Ingress, which leads to the stable Service. It is read and never written.
          - Needed for V(ingress_nginx).
        type: str
      canary_ingress:
        description: Name of the Ingress made for the canary, for V(ingress_nginx). C(INGRESS-canary) unless given.
        type: str
      service:
        description:
          - Name of the stable Service, for V(ingress_nginx). Its selector names the stable version.
          - Needed when the main Ingress leads to more than one Service that could be the application's by its name, or
            to one that is not named after it.
        type: str
      annotations_prefix:
        description: What the annotations begin with, for V(ingress_nginx); the controller's C(--annotations-prefix).
        type: str
        default: nginx.ingress.kubernetes.io
      controller:
        description:
          - The program that serves the Ingress, for V(ingress_nginx). The two that read these annotations differ in how
            fast they follow and how they choose.
          - V(auto) asks the Ingress which of them wrote its status.
        type: str
        choices: [auto, ingress-nginx, traefik]
        default: auto
"""
