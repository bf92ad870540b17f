{{ config(materialized='table') }}

-- Somebody who is an employee today is one for good, as far as is known: `is_still_agent`.
with customers as (

    select distinct
        connection_id,
        customer_id
    from {{ ref('stg_unified__tickets') }}
    where customer_id is not null

),

-- A staff directory may hold those who ask, too, as where the customers are colleagues.
employees as (

    select
        employees.connection_id,
        employees.employee_id as user_id,
        employees.deleted_at as known_until_at,
        not employees.is_deleted as is_still_agent
    from {{ ref('stg_unified__employees') }} as employees
    left join customers
        on
            employees.connection_id = customers.connection_id
            and employees.employee_id = customers.customer_id
    where customers.customer_id is null

),

assignees as (

    select
        connection_id,
        assignee_user_id as user_id,
        max(observed_at) as known_until_at,
        false as is_still_agent
    from {{ ref('stg_unified__ticket_versions') }}
    where assignee_user_id is not null
    group by connection_id, assignee_user_id

),

sights as (

    select * from employees
    union all
    select * from assignees

)

select
    connection_id,
    user_id,
    case when max(case when is_still_agent then 1 else 0 end) = 0 then max(known_until_at) end as known_until_at,
    max(case when is_still_agent then 1 else 0 end) = 1 as is_still_agent
from sights
group by connection_id, user_id
