"""Tests in a real JupyterLab and Notebook 7, driven by a real Chromium.

One browser and one Jupyter server serve all tests of this folder (conftest), except those of shared
notebooks, which have a server of their own. A test makes a `Place`
(a folder with a project, a state of its own and notebooks), opens a notebook with `front`, and asks
for roles, text and state. Pictures go to ``artefacts/``, for people to look at; none is compared.
"""
