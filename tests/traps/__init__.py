"""Known traps of this field, numbered, and the tests that hold them (split learning: 1 to 20).

 1 the optimiser of old tensors       traps/test_hand_over: every_step_behind_a_hand_over_moves_the_weights
 2 a turn without its weights         traps/test_hand_over: a_turn_begins_with_the_bits_the_turn_before_ended_with
 3 Adam made anew                     traps/test_hand_over: adam_counts_the_steps_that_its_policy_gives_it
 4 a view with all of its storage     traps/test_messages: a_view_crosses_without_the_rest_of_its_storage
 5 backward(ones)                     identities/test_segments; identities/test_split: the_twin_notices_...
 6 forward in another mode            identities/test_segments; identities/test_split (BatchNorm and dropout on)
 7 one slot for what is pending       traps/test_in_flight: every_batch_in_flight_has_a_place_of_its_own
 8 a server that steps in between     traps/test_in_flight: nobody_steps_between_...; identities/test_split_on_ray
 9 a missing detach                   identities/test_split_on_ray; test_equivalence: ray_has_the_same_bits_...
10 unequal last batches               identities/test_parallel (16, 16, 5 beside 16, 5); identities/test_torch
11 clipping and rates of each half    identities/test_clipping; identities/test_shared_state (rates)
12 halves initialised apart           identities/test_segments: parts_start_as_slices_of_the_whole_...
13 cutting by children                traps/test_cuts: every_model_cut_anywhere_is_the_whole
14 half precision that underflows     of the wire, which does not change numbers yet
15 masks of the k largest             of the wire, which does not change numbers yet
16 evaluation that changes something  traps/test_looking: evaluation_leaves_the_state_and_the_ledger_as_they_were
17 hand-overs half counted            oracles/test_traffic: a_hand_over_counts_the_optimiser_state_and_the_statistics
18 labels in a message                traps/test_labels: no_label_reaches_anybody
19 rows out of line                   data/test_joined: the_order_of_rows_changes_nothing; identities/test_vertical
20 parallel in name alone             traps/test_in_flight: institutions_served_at_once_do_not_wait_...
"""
