"""Every check of `common_checks` holds for every kind of tokenizer."""

import pytest
from common_checks import CHECKS, Check

import merganser as mg


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_tokenizer_passes(check: Check, tokenizer: mg.Tokenizer) -> None:
    check(tokenizer)
