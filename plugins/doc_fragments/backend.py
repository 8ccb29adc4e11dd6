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
            and the API gateway of Volcengine's VKE read too.
          - V(istio) splits by the weights of a VirtualService, between Services or between subsets of one Service.
          - V(replicas) splits by numbers of pods behind one Service, by connection and without match routes.
          - V(deployment) splits inside one Deployment, between its new pod template and the one before, by connection
            and without match routes. It is paused where a stage is reached.
          - V(argo_rollouts) drives an Argo Rollout, whose controller splits. Weights are those that its steps hold.
        type: str
        required: true
        choices: [gateway_api, ingress_nginx, istio, replicas, deployment, argo_rollouts]
      route:
        description: Name of the HTTPRoute. Needed for V(gateway_api).
        type: str
      route_namespace:
        description: Namespace of the HTTPRoute, for V(gateway_api). The application's, unless given.
        type: str
      rule:
        description:
          - The rule of the HTTPRoute to split, for V(gateway_api), or the C(http) entry of the VirtualService, for
            V(istio); its name, or its index counted from 0.
          - Needed when more than one rule leads to the application.
        type: str
      virtual_service:
        description: Name of the VirtualService. Needed for V(istio).
        type: str
      virtual_service_namespace:
        description: Namespace of the VirtualService, for V(istio). The application's, unless given.
        type: str
      destination_rule:
        description:
          - Name of the DestinationRule in the application's namespace that defines the subsets, for V(istio). Only for
            a VirtualService that sends to subsets.
          - Needed when more than one DestinationRule defines the stable version's subset.
        type: str
      ingress:
        description:
          - Name of the main Ingress, which leads to the stable Service. It is read, and written only by a promotion
            with O(backend.promotion=repoint).
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
          - For V(replicas) the Service that clients use; its selector names the stable version between releases and
            both versions during a split. The application's name unless given.
          - For V(deployment) the Service that clients use, whose selector fits the pods of every version. The
            application's name unless given.
          - For V(argo_rollouts) the Service that clients use, where the Rollout names no stable Service.
        type: str
      workload:
        description:
          - Name of the one Deployment, for V(deployment), or of the Rollout, for V(argo_rollouts).
          - The application's name unless given.
        type: str
      annotations_prefix:
        description: What the annotations begin with, for V(ingress_nginx); the controller's C(--annotations-prefix).
        type: str
        default: nginx.ingress.kubernetes.io
      controller:
        description:
          - The program that serves the Ingress, for V(ingress_nginx). Those that read these annotations differ in how
            fast they follow, how they choose and what they can do.
          - V(apig) is the API gateway of Volcengine's VKE. Only annotations that are documented for it are used, which
            means whole percents, one header with its value, no cookie, and a header or a weight, not both.
          - V(auto) takes an Ingress with the annotation C(ingress.vke.volcengine.com/apig-instance-name) for one of
            V(apig); else it asks the Ingress who wrote its status, and then the C(spec.controller) of its class.
        type: str
        choices: [auto, ingress-nginx, traefik, apig]
        default: auto
      promotion:
        description:
          - How the canary becomes the stable version, for V(ingress_nginx).
          - V(selector) lets the stable Service, which the main Ingress leads to, select the canary's pods. Only
            endpoints change.
          - V(repoint) lets the main Ingress lead to the canary's Service. The stable Service is then one of
            M(gradual.canary.version), such as C(web-v1), and needs no selector that anybody may move. With
            ingress-nginx, which then reloads, another Ingress goes on naming the Service that is left until the canary
            is detached.
        type: str
        choices: [selector, repoint]
        default: selector
      path:
        description:
          - A path of the main Ingress whose traffic is to be split, for V(ingress_nginx) with
            O(backend.promotion=repoint); every other path that leads to the same Service is split with it.
          - Needed when paths lead to more than one Service that could be the application's by its name.
        type: str
      match_with_weight:
        description:
          - Whether match routes may be set beside a weight above 0, for V(ingress_nginx). As the controller is known to
            do, unless given; for V(apig) that is V(false), because it is not documented whether it then follows the
            weight.
        type: bool
      propagation:
        description:
          - Seconds that a promotion and the end of a canary pause between their steps, for V(ingress_nginx); a proof
            follows each pause.
          - As measured of the controller, unless given; for V(apig), of which nothing is known, 10.
        type: float
      session_affinity:
        description:
          - What to do when the main Ingress has session affinity by a cookie, for V(ingress_nginx).
          - With it a client that has a session stays with its version whatever the weight, so that users do not get the
            split that is proven on new connections.
          - V(refuse) fails before anything is written; V(accept) warns, and only clients without a session follow the
            weight.
        type: str
        choices: [refuse, accept]
        default: refuse
      min_replicas:
        description:
          - The least number of pods of both versions together during a split, for V(replicas), so that capacity does
            not shrink. The number that the stable version had when the canary was attached, unless given.
        type: int
      max_replicas:
        description:
          - The greatest number of pods of both versions together that a split may settle on, for V(replicas). Ten, or
            twice O(backend.min_replicas) if that is more, unless given. On the way from one split to the next there can
            be more.
        type: int
      max_error:
        description:
          - How far the nearest share that pods can make may be from the weight, in points of percent, for
            V(replicas) and V(deployment). A weight further off is refused, and the nearest ones are named.
        type: str
        default: "5"
      ready_timeout:
        description:
          - Seconds that each change of a number of pods may take until they serve, for V(replicas) and V(deployment).
          - For V(argo_rollouts) seconds that the way from one weight to another may take, pods included.
        type: int
        default: 300
"""
