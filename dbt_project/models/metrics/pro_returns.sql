{#- A pro belongs to an arm from the first quote on one of its cohort requests, and may belong to several. One row per arm a
    pro is in or could be in; each column is the pro's value under one reading, null where the pro does not count.
    What is open widens a pro's own value alone, so an arm's ends are sums: outer where one quote could serve two arms. -#}
{%- set quotes = ref('int_quotes') -%}
{%- set requests = ref('experiment_requests') -%}
{%- set lost = ref('int_lost_requests') -%}
{%- set facts = ref('int_source_facts') -%}
{%- set metrics = pro_metrics_mapping() -%}
{%- set histories = quote_histories() -%}
{%- set columns = ['repaired', 'variant_from_quotes', 'immature_low', 'immature_high', 'with_duplicates', 'without_log', 'unlabelled_low',
    'unlabelled_high', 'lost_low', 'lost_high', 'keyless_low', 'keyless_high', 'late_low', 'late_high', 'undated_low', 'undated_high', 'disputed_low', 'disputed_high', 'early_low',
    'early_high', 'contested_low', 'contested_high', 'joint_low', 'joint_high'] -%}
{%- set segments = segments_mapping() -%}
{#- No further than any metric looks: a frame over all later quotes is quadratic in a pro's quotes on some engines. -#}
{%- set reach_us = [1, ((metrics | map(attribute='horizon') | map('int') | max) if metrics else 0) * 1000000] | max -%}
{%- if metrics -%}
with arms as (
    {{ experiment_arms() }}
),

quotes as (

    select
        pro_id,
        request_id,
        quoted_at,
        is_kept,
        is_duplicate,
        case when is_contested then 1 else 0 end as is_contested,
        is_kept or quarantine_reason is not null as is_usable,
        is_disputed,
        reconciled_at < request_created_at as is_early,
        quarantine_reason is not null as is_keyless,
        {{ microseconds('reconciled_at') }} as quoted_us
    from {{ quotes }}
    where pro_id is not null and {{ is_not_later('reconciled_at') }}

),

followed as (

    select
        quotes.*
        {%- for h in histories %},
        (min(case when {{ h.holds }} then quoted_us end) over (
            partition by pro_id order by coalesce(quoted_us, 0) range between 1 following and {{ reach_us }} following
        ) - quoted_us) / 1000000.0 as seconds_to_next_quote{{ h.suffix }}
        {%- endfor %}
    from quotes

),

placed as (

    select
        requests.experiment_id, requests.variant, requests.variant_from_quotes, false as is_lost,
        {%- for s in segments %}
        requests.{{ s }},
        {%- endfor %}
        requests.n_other_readings > 0 as is_of_contested_request, requests.is_late_assignment,
        followed.*
    from followed
    inner join {{ requests }} as requests on followed.request_id = requests.request_id
    where not followed.is_keyless
    union all
    select
        lost.experiment_id, lost.variant, {{ typed_null('text') }} as variant_from_quotes, true as is_lost,
        {%- for s in segments %}
        {{ typed_null('text') }} as {{ s }},
        {%- endfor %}
        false as is_of_contested_request, false as is_late_assignment,
        followed.*
    from followed
    inner join {{ lost }} as lost on followed.request_id = lost.request_id
    where not followed.is_keyless
    union all
    select
        experiments.experiment_id, 'unknown' as variant, {{ typed_null('text') }} as variant_from_quotes, true as is_lost,
        {%- for s in segments %}
        {{ typed_null('text') }} as {{ s }},
        {%- endfor %}
        false as is_of_contested_request, false as is_late_assignment,
        followed.*
    from followed
    cross join (select distinct experiment_id from arms) as experiments
    where followed.is_keyless

),

cutoffs as (

    select source_name, {{ microseconds('coalesce(cutoff_at, ' ~ timestamp_literal('1970-01-01 00:00:00') ~ ')') }} as cutoff_us
    from {{ facts }}

),

last_starts as (
    {%- for m in metrics %}
    select {{ text_literal(m.name) }} as metric, min(cutoff_us) - {{ (m.horizon | int) * 1000000 }} as last_start_us
    from cutoffs where source_name in ({% for s in m.sources %}{{ text_literal(s) }}{{ ', ' if not loop.last }}{% endfor %})
    {%- if not loop.last %} union all {% endif %}
    {%- endfor %}
),

judged as (
    {%- for m in metrics %}
    select
        {{ text_literal(m.name) }} as metric,
        placed.*
        {%- for h in histories %},
        {{ at_reading(m.y, h) }} as returns{{ h.suffix }}
        {%- endfor %}
    from placed
    {%- if not loop.last %} union all {% endif %}
    {%- endfor %}
),

visits as (

    select
        judged.metric,
        judged.experiment_id,
        judged.pro_id,
        judged.variant,
        judged.variant_from_quotes,
        judged.is_lost,
        judged.is_keyless,
        {%- for s in segments %}
        judged.{{ s }},
        {%- endfor %}
        {%- for h in histories %}
        min(case when {{ h.holds }} then quoted_us end) as first_us{{ h.suffix }},
        min(case when {{ h.holds }} and returns{{ h.suffix }} = 1 then quoted_us end) as first_return_us{{ h.suffix }},
        {%- endfor %}
        count(*) as n_rows,
        max(case when is_usable and quoted_us is null then 1 else 0 end) as has_undated,
        max(case when is_contested = 1 or is_of_contested_request then 1 else 0 end) as is_contested,
        max(case when is_late_assignment then 1 else 0 end) as is_late,
        min(case when is_usable then quoted_us end) as candidate_us,
        max(case when is_usable and quoted_us is not null and returns = 1 then 1 else 0 end) as has_return,
        max(case when is_usable and quoted_us <= last_start_us and returns = 1 then 1 else 0 end) as has_mature_return,
        max(case when is_usable and quoted_us <= last_start_us and returns = 0 then 1 else 0 end) as has_stay,
        max(case when is_usable and quoted_us > last_start_us and returns = 0 then 1 else 0 end) as has_open
    from judged
    inner join last_starts on judged.metric = last_starts.metric
    group by {% for n in range(7 + segments | length) %}{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}

),

passes as (
    {%- for s in segment_passes(true) %}
    select visits.*, coalesce({{ segment_of(s) }}, '') as segment
    from visits
    where not is_lost
    {%- if not loop.last %} union all {% endif %}
    {%- endfor %}
),

places as (

    select seen.metric, seen.experiment_id, seen.segment, arms.variant
    from (
        select metric, experiment_id, segment from passes
        union
        select metric, experiment_id, '' as segment from visits
    ) as seen
    inner join arms on seen.experiment_id = arms.experiment_id

),

{# Which arm these pros belong to is open altogether: another reading of a row, or an arm given after the outcome. -#}
displaced_pros as (

    select metric, experiment_id, pro_id, is_contested, is_late
    from visits
    where is_contested = 1 or is_late = 1
    union
    select places.metric, places.experiment_id, quotes.pro_id, 1 as is_contested, 0 as is_late
    from quotes
    cross join (select distinct metric, experiment_id from places) as places
    where quotes.is_contested = 1

),

gathered as (

    {%- set own = {'has_undated': 'has_undated'} %}
    {%- for h in histories %}{% do own.update({'first_us' ~ h.suffix: 'first_us' ~ h.suffix, 'first_return_us' ~ h.suffix: 'first_return_us' ~ h.suffix}) %}{% endfor %}
    select metric, experiment_id, segment, pro_id, variant, {{ given_facts(own) }}
    from passes
    union all
    select metric, experiment_id, segment, pro_id, variant_from_quotes as variant,
        {{ given_facts({'first_us_from_quotes': 'first_us', 'first_return_us_from_quotes': 'first_return_us'}) }}
    from passes
    where segment = ''
    union all
    select places.metric, places.experiment_id, places.segment, passes.pro_id, places.variant, {{ given_facts(candidate_facts('unlabelled')) }}
    from passes
    inner join places
        on passes.metric = places.metric and passes.experiment_id = places.experiment_id and passes.segment = places.segment
    where passes.variant = 'unknown'
    union all
    select places.metric, places.experiment_id, places.segment, visits.pro_id, places.variant, {{ given_facts(candidate_facts('lost')) }}
    from visits
    inner join places
        on visits.metric = places.metric and visits.experiment_id = places.experiment_id and visits.variant in (places.variant, 'unknown')
    where visits.is_lost and not visits.is_keyless
    union all
    {% set keyless = candidate_facts('keyless') %}{% do keyless.update({'keyless_rows': 'n_rows'}) -%}
    select places.metric, places.experiment_id, places.segment, visits.pro_id, places.variant, {{ given_facts(keyless) }}
    from visits
    inner join places on visits.metric = places.metric and visits.experiment_id = places.experiment_id
    where visits.is_keyless
    union all
    select places.metric, places.experiment_id, places.segment, displaced.pro_id, places.variant,
        {{ given_facts({'is_contested': 'displaced.is_contested', 'is_late': 'displaced.is_late'}) }}
    from displaced_pros as displaced
    inner join places on displaced.metric = places.metric and displaced.experiment_id = places.experiment_id

),

doubtful_pros as (

    select
        pro_id as doubtful_pro_id,
        max(case when quoted_us is null then 1 else 0 end) as undated,
        max(case when is_disputed then 1 else 0 end) as disputed,
        max(case when is_early then 1 else 0 end) as early
    from quotes
    where is_kept and (quoted_us is null or is_disputed or is_early)
    group by pro_id

),

folded as (

    select
        metric, experiment_id, segment, pro_id, variant
        {%- for fact in pro_facts() %},
        {{ fact.fold }}({{ fact.name }}) as {{ fact.name }}
        {%- endfor %}
    from gathered
    group by metric, experiment_id, segment, pro_id, variant

),

known as (

    select
        folded.*,
        coalesce(doubtful_pros.undated = 1, false) as is_undated_somewhere,
        coalesce(doubtful_pros.disputed = 1, false) as is_disputed_somewhere,
        coalesce(doubtful_pros.early = 1, false) as is_early_somewhere,
        coalesce(first_us <= last_start_us, false) as is_mature,
        {%- for suffix in ['', '_with_duplicates', '_without_log', '_from_quotes'] %}
        case
            when first_us{{ suffix }} is null then null
            when first_return_us{{ suffix }} = first_us{{ suffix }} then 1
            else 0
        end as returns{{ suffix }},
        {%- endfor %}
        last_starts.last_start_us
    from folded
    inner join last_starts on folded.metric = last_starts.metric
    left join doubtful_pros on folded.pro_id = doubtful_pros.doubtful_pro_id

),

spread as (

    select
        known.*,
        {# Each of these may put the pro's first quote elsewhere, or give a pro its first quote here. -#}
        coalesce(is_contested = 1, false) or coalesce(is_late = 1, false) or coalesce(has_undated = 1, false)
            or coalesce(unlabelled_undated = 1, false) or coalesce(lost_undated = 1, false) or coalesce(keyless_undated = 1, false)
            or ((is_disputed_somewhere or is_early_somewhere)
                and coalesce(first_us, unlabelled_us, lost_us, keyless_us) is not null) as is_open,
        coalesce(unlabelled_us < first_us, unlabelled_us is not null) as may_be_unlabelled,
        coalesce(lost_us < first_us, lost_us is not null) as may_be_lost,
        coalesce(keyless_us < first_us, keyless_us is not null) as may_be_keyless,
        is_undated_somewhere or keyless_rows is not null as may_be_followed
    from known

),

final as (

    select
        metric,
        experiment_id,
        nullif(segment, '') as segment,
        variant,
        pro_id,
        case when is_mature then returns end as repaired,
        case when first_us_from_quotes <= last_start_us then returns_from_quotes end as variant_from_quotes,
        returns as immature_low,
        case when is_mature then returns when returns is not null then 1 end as immature_high,
        case when first_us_with_duplicates <= last_start_us then returns_with_duplicates end as with_duplicates,
        case when first_us_without_log <= last_start_us then returns_without_log end as without_log,
        {{ candidate_end('unlabelled', 0) }} as unlabelled_low,
        {{ candidate_end('unlabelled', 1) }} as unlabelled_high,
        {{ candidate_end('lost', 0) }} as lost_low,
        {{ candidate_end('lost', 1) }} as lost_high,
        case when keyless_undated = 1 then 0 else {{ candidate_end('keyless', 0) }} end as keyless_low,
        case
            when keyless_undated = 1 or (is_mature and keyless_rows > 0) or (keyless_stay = 1 and keyless_rows > 1) then 1
            else {{ candidate_end('keyless', 1) }}
        end as keyless_high,
        case when is_late = 1 then 0 when is_mature then returns end as late_low,
        case when is_late = 1 then 1 when is_mature then returns end as late_high,
        {%- for cause in ['disputed', 'early'] %}
        case when is_{{ cause }}_somewhere and first_us is not null then 0 when is_mature then returns end as {{ cause }}_low,
        case when is_{{ cause }}_somewhere and first_us is not null then 1 when is_mature then returns end as {{ cause }}_high,
        {%- endfor %}
        case when has_undated = 1 then 0 when is_mature then returns end as undated_low,
        case when has_undated = 1 or (is_mature and is_undated_somewhere) then 1 when is_mature then returns end as undated_high,
        case when is_contested = 1 then 0 when is_mature then returns end as contested_low,
        case when is_contested = 1 then 1 when is_mature then returns end as contested_high,
        case
            when is_open then 0
            when may_be_unlabelled and (unlabelled_stay = 1 or unlabelled_open = 1) then 0
            when may_be_lost and (lost_stay = 1 or lost_open = 1) then 0
            when may_be_keyless and (keyless_stay = 1 or keyless_open = 1) then 0
            else returns
        end as joint_low,
        case
            when is_open then 1
            when may_be_unlabelled and (unlabelled_return = 1 or unlabelled_open = 1 or may_be_followed) then 1
            when may_be_lost and (lost_return = 1 or lost_open = 1 or may_be_followed) then 1
            when may_be_keyless and (keyless_return = 1 or keyless_open = 1 or keyless_rows > 1 or is_undated_somewhere) then 1
            when returns is null then null
            when not is_mature or may_be_followed then 1
            else returns
        end as joint_high
    from spread

)

select
    metric, experiment_id, segment, variant, pro_id
    {%- for column in columns %}, cast({{ column }} as {{ sql_type('bigint') }}) as {{ column }}{% endfor %}
from final
{%- else -%}
select
    {{ typed_null('text') }} as metric, {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as segment,
    {{ typed_null('text') }} as variant, {{ typed_null('text') }} as pro_id
    {%- for column in columns %}, {{ typed_null('bigint') }} as {{ column }}{% endfor %}
where 1 = 0
{%- endif -%}
