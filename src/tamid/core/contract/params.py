"""What `training.params` may say of the built-in models: names, kinds and ranges.

Names are those of LightGBM (with its aliases) and of scikit-learn; what decides over determinism,
output or the meaning of the score (objective, seed, threads, devices) is not among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_LIGHTGBM = """
    alpha bagging bagging_by_query bagging_fraction bagging_fraction_seed bagging_freq
    bagging_seed bin_construct_sample_cnt boost boost_from_average boosting boosting_type bundle
    cat_l2 cat_smooth cegb_penalty_split cegb_tradeoff colsample_bynode colsample_bytree
    data_random_seed data_sample_strategy data_seed drop_rate drop_seed enable_bundle eta
    extra_seed extra_tree extra_trees fair_c feature_fraction feature_fraction_bynode
    feature_fraction_seed feature_pre_filter is_enable_bundle is_unbalance l1_regularization
    l2_regularization lambda lambda_l1 lambda_l2 learning_rate linear_lambda linear_tree
    linear_trees max_bin max_bins max_cat_threshold max_cat_to_onehot max_delta_step max_depth
    max_drop max_iter max_leaf max_leaf_nodes max_leaf_output max_leaves max_tree_output
    mc_method mc_penalty min_child_samples min_child_weight min_data min_data_in_bin
    min_data_in_leaf min_data_per_group min_data_per_leaf min_gain_to_split min_hessian
    min_samples_leaf min_split_gain min_sum_hessian min_sum_hessian_in_leaf
    min_sum_hessian_per_leaf monotone_constraining_method monotone_constraints_method
    monotone_penalty monotone_splits_penalty ms_penalty n_estimators n_iter neg_bagging
    neg_bagging_fraction neg_sub_row neg_subsample nrounds num_boost_round num_grad_quant_bins
    num_iteration num_iterations num_leaf num_leaves num_round num_rounds num_tree num_trees
    objective_seed other_rate path_smooth poisson_max_delta_step pos_bagging
    pos_bagging_fraction pos_sub_row pos_subsample quant_train_renew_leaf rate_drop reg_alpha
    reg_lambda reg_sqrt scale_pos_weight shrinkage_rate sigmoid skip_drop stochastic_rounding
    sub_feature sub_feature_bynode sub_row subsample subsample_for_bin subsample_freq top_rate
    tweedie_variance_power unbalance unbalanced_sets uniform_drop use_missing use_quantized_grad
    xgboost_dart_mode zero_as_missing
"""
_LOGISTIC = """
    penalty C l1_ratio dual tol fit_intercept intercept_scaling class_weight solver max_iter
"""
_RIDGE = "alpha fit_intercept max_iter tol solver positive"

KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "lightgbm": frozenset(_LIGHTGBM.split()),
    "logistic": frozenset(_LOGISTIC.split()),
    "ridge": frozenset(_RIDGE.split()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers from `low` to `high`; `above`: not `low` itself; `whole`: no fractions."""

    low: float
    high: float | None = None
    above: bool = False
    whole: bool = False

    def fault(self, value: object) -> str:
        """Return what is wrong with a value, or ""."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"is a number, not {value!r}"
        if self.whole and value != int(value):
            return f"is a whole number, not {value:g}"
        low = value > self.low if self.above else value >= self.low
        if low and (self.high is None or value <= self.high):
            return ""
        least = "above" if self.above else "at least"
        most = "" if self.high is None else f" and at most {self.high:g}"
        return f"is {least} {self.low:g}{most}, not {value:g}"


_SHARE = Range(low=0, high=1, above=True)
_POSITIVE = Range(low=0, above=True)
_NOT_NEGATIVE = Range(low=0)
_COUNT = Range(low=1, whole=True)
_COUNT_FROM_0 = Range(low=0, whole=True)
_TREES = (
    "num_iterations n_iter nrounds max_iter num_tree num_round num_trees num_rounds n_estimators"
)
_RANGES_OF: Final[tuple[tuple[str, str, Range], ...]] = (
    ("lightgbm", f"{_TREES} num_iteration num_boost_round", _COUNT),
    ("lightgbm", "num_leaves max_leaf num_leaf max_leaves max_leaf_nodes",
     Range(low=2, high=131_072, whole=True)),
    ("lightgbm", "learning_rate eta shrinkage_rate", _POSITIVE),
    ("lightgbm", "max_bin max_bins", Range(low=2, whole=True)),
    ("lightgbm", "min_data_in_leaf min_data min_samples_leaf min_child_samples min_data_per_leaf",
     _COUNT_FROM_0),
    ("lightgbm", "feature_fraction sub_feature colsample_bytree feature_fraction_bynode "
     "colsample_bynode bagging_fraction bagging sub_row subsample", _SHARE),
    ("lightgbm", "lambda_l1 reg_alpha l1_regularization lambda_l2 lambda reg_lambda "
     "l2_regularization min_gain_to_split min_split_gain min_sum_hessian_in_leaf min_hessian "
     "min_child_weight cat_l2 cat_smooth path_smooth", _NOT_NEGATIVE),
    ("lightgbm", "scale_pos_weight", _POSITIVE),
    ("lightgbm", "drop_rate rate_drop skip_drop top_rate other_rate", Range(low=0, high=1)),
    ("logistic", "C", _POSITIVE),
    ("logistic", "tol", _POSITIVE),
    ("logistic", "max_iter", _COUNT),
    ("logistic", "l1_ratio", Range(low=0, high=1)),
    ("ridge", "alpha", _NOT_NEGATIVE),
    ("ridge", "tol", _POSITIVE),
    ("ridge", "max_iter", _COUNT),
)  # fmt: skip
RANGES: Final[Mapping[tuple[str, str], Range]] = {
    (model, name): span for model, names, span in _RANGES_OF for name in names.split()
}
